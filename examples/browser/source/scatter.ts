/**
 * Cells as points in a plane, drawn by WebGL2; with the keyboard one goes from cell to cell. Where there is no WebGL2, the same points
 * are drawn on a plain canvas.
 */

/** What is drawn. */
export interface Points {
  /** Two coordinates for each cell; NaN where it has none. */
  places: Float32Array;
  /** A colour for each cell, as a number of the palette. */
  codes: Int32Array;
  /** Tells what a cell is. */
  tell: (cell: number) => string;
}

/** Colours of labels, after Okabe and Ito, who chose them to be told apart with any eyes. */
export const PALETTE = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#9a8c00",
  "#5d3a9b",
  "#6b6b6b",
];

/** A colour by its number; grey without one. */
export function colour(code: number): string {
  return code < 0 ? "#6b6b6b" : (PALETTE[code % PALETTE.length] ?? "#6b6b6b");
}

const VERTEX = `#version 300 es
in vec2 place; in vec3 paint; uniform vec4 view; uniform float size; out vec3 colour;
void main() { gl_Position = vec4((place - view.xy) * view.zw, 0.0, 1.0); gl_PointSize = size; colour = paint; }`;
const FRAGMENT = `#version 300 es
precision mediump float; in vec3 colour; out vec4 result;
void main() { if (length(gl_PointCoord - 0.5) > 0.5) discard; result = vec4(colour, 1.0); }`;

/** A drawing on a canvas. */
export class Scatter {
  readonly #canvas: HTMLCanvasElement;
  readonly #points: Points;
  readonly #here: (text: string) => void;
  readonly #draw: (view: number[], size: number) => void;
  /** Cells with a place, from left to right. */
  readonly #order: number[];
  readonly #stop = new AbortController();
  #middle: [number, number] = [0, 0];
  #scale: [number, number] = [1, 1];
  #all: { middle: [number, number]; scale: [number, number] };
  #at = -1;

  constructor(canvas: HTMLCanvasElement, points: Points, here: (text: string) => void) {
    this.#canvas = canvas;
    this.#points = points;
    this.#here = here;
    const { places } = points;
    const cells = Array.from({ length: places.length / 2 }, (_, cell) => cell);
    this.#order = cells.filter((cell) => Number.isFinite(this.#x(cell)) && Number.isFinite(this.#y(cell)));
    this.#order.sort((one, other) => this.#x(one) - this.#x(other));
    const side = (of: (cell: number) => number): [middle: number, scale: number] => {
      let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (const cell of this.#order) [low, high] = [Math.min(low, of(cell)), Math.max(high, of(cell))];
      return high >= low ? [(low + high) / 2, 1.8 / Math.max(high - low, 1e-9)] : [0, 1];
    };
    const [x, y] = [side((cell) => this.#x(cell)), side((cell) => this.#y(cell))];
    this.#all = { middle: [x[0], y[0]], scale: [x[1], y[1]] };
    this.#draw = gl(canvas, points) ?? plain(canvas, points);
    const { signal } = this.#stop;
    canvas.addEventListener("keydown", (event) => this.#key(event), { signal });
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { signal, passive: false });
    canvas.setAttribute("aria-label", `Embedding of ${this.#order.length} cells, coloured by label`);
    this.#home();
  }

  /** Stops listening. */
  close(): void {
    this.#stop.abort();
  }

  #x(cell: number): number {
    return this.#points.places[2 * cell] ?? Number.NaN;
  }

  #y(cell: number): number {
    return this.#points.places[2 * cell + 1] ?? Number.NaN;
  }

  #home(): void {
    this.#middle = [...this.#all.middle];
    this.#scale = [...this.#all.scale];
    this.#render();
  }

  #render(): void {
    this.#draw([...this.#middle, ...this.#scale], this.#order.length > 20_000 ? 3 : 6);
  }

  #zoom(factor: number): void {
    this.#scale = [this.#scale[0] * factor, this.#scale[1] * factor];
    this.#render();
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    this.#zoom(event.deltaY < 0 ? 1.25 : 0.8);
  }

  #key(event: KeyboardEvent): void {
    const steps: Record<string, number> = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };
    const step = steps[event.key];
    if (event.key === "+" || event.key === "=") this.#zoom(1.25);
    else if (event.key === "-") this.#zoom(0.8);
    else if (event.key === "Home") this.#home();
    else if (step !== undefined && this.#order.length > 0) this.#go(step);
    else return;
    event.preventDefault();
  }

  /** Goes to the next cell to the right or left, and shows it. */
  #go(step: number): void {
    const count = this.#order.length;
    this.#at = this.#at < 0 ? 0 : (this.#at + step + count) % count;
    const cell = this.#order[this.#at] ?? 0;
    this.#middle = [this.#x(cell), this.#y(cell)];
    this.#render();
    this.#canvas.dataset["cell"] = String(cell);
    this.#here(this.#points.tell(cell));
  }
}

/** Draws by WebGL2; undefined where there is none. */
function gl(
  canvas: HTMLCanvasElement,
  { places, codes }: Points,
): ((view: number[], size: number) => void) | undefined {
  const context = canvas.getContext("webgl2", { preserveDrawingBuffer: true });
  if (!context) return undefined;
  const program = context.createProgram();
  for (const [type, text] of [
    [context.VERTEX_SHADER, VERTEX],
    [context.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = context.createShader(type);
    if (!shader) return undefined;
    context.shaderSource(shader, text);
    context.compileShader(shader);
    context.attachShader(program, shader);
  }
  context.linkProgram(program);
  context.useProgram(program);
  const paints = new Float32Array(codes.length * 3);
  for (const [cell, code] of codes.entries()) {
    const value = Number.parseInt(colour(code).slice(1), 16);
    paints.set([(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255], cell * 3);
  }
  for (const [name, values, width] of [
    ["place", places, 2],
    ["paint", paints, 3],
  ] as const) {
    const location = context.getAttribLocation(program, name);
    context.bindBuffer(context.ARRAY_BUFFER, context.createBuffer());
    context.bufferData(context.ARRAY_BUFFER, values, context.STATIC_DRAW);
    context.enableVertexAttribArray(location);
    context.vertexAttribPointer(location, width, context.FLOAT, false, 0, 0);
  }
  return (view, size) => {
    context.viewport(0, 0, canvas.width, canvas.height);
    context.clearColor(1, 1, 1, 1);
    context.clear(context.COLOR_BUFFER_BIT);
    context.uniform4fv(context.getUniformLocation(program, "view"), view);
    context.uniform1f(context.getUniformLocation(program, "size"), size);
    context.drawArrays(context.POINTS, 0, codes.length);
  };
}

/** Draws by the plain canvas. */
function plain(canvas: HTMLCanvasElement, { places, codes }: Points): (view: number[], size: number) => void {
  const context = canvas.getContext("2d");
  return ([x = 0, y = 0, across = 1, up = 1], size) => {
    if (!context) return;
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const [cell, code] of codes.entries()) {
      const left = (((places[2 * cell] ?? 0) - x) * across + 1) * (canvas.width / 2);
      const top = (1 - ((places[2 * cell + 1] ?? 0) - y) * up) * (canvas.height / 2);
      context.fillStyle = colour(code);
      context.fillRect(left - size / 2, top - size / 2, size, size);
    }
  };
}
