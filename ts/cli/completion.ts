/**
 * `gigamapper completion SHELL`: a script that completes commands, options and choices, made from what the command itself knows, so
 * that it cannot lag behind. Values that are no choices are completed as paths, by the shell.
 */

import { Argument, type Command, type Option } from "commander";
import { wrongParameter } from "../errors.js";
import { addManner, setAction } from "./command.js";
import type { Manner } from "./terminal.js";

interface Completed {
  name: string;
  description: string;
  /** What its first argument may be, where that is a choice. */
  choices: readonly string[];
  options: { flags: string[]; description: string; takesValue: boolean; choices: readonly string[] }[];
}

const SHELLS: Record<string, (commands: Completed[]) => string> = { bash, zsh, fish };

/** Adds the command. It comes last, and knows those before it. */
export function registerCompletion(program: Command): void {
  const command = program
    .command("completion")
    .description("a script by which a shell completes this command")
    .addArgument(new Argument("<shell>", "which one").choices(Object.keys(SHELLS)))
    .addHelpText(
      "after",
      "\nExamples:\n" +
        '  eval "$(gigamapper completion bash)"                                          (in ~/.bashrc)\n' +
        '  eval "$(gigamapper completion zsh)"                                           (in ~/.zshrc, after compinit)\n' +
        "  gigamapper completion fish > ~/.config/fish/completions/gigamapper.fish",
    );
  addManner(command);
  setAction<Manner>(command, async ({ terminal }, _options, [shell = ""]) => {
    const script = SHELLS[shell];
    if (!script) throw wrongParameter("shell", shell, `one of ${Object.keys(SHELLS).join(", ")}`);
    const text = script(program.commands.map(completed));
    terminal.data({ shell, script: text }, () => text.trimEnd());
  });
}

function completed(command: Command): Completed {
  const visible = command.createHelp().visibleOptions(command);
  return {
    name: command.name(),
    description: command.description(),
    choices: command.registeredArguments[0]?.argChoices ?? [],
    options: visible.map((option: Option) => ({
      flags: [option.short, option.long].filter((flag) => typeof flag === "string"),
      description: option.description,
      takesValue: option.required || option.optional,
      choices: option.argChoices ?? [],
    })),
  };
}

const words = (names: readonly string[]): string => names.join(" ");
const flags = ({ options }: Completed): string[] => options.flatMap((option) => option.flags);
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function bash(commands: Completed[]): string {
  const choices = commands.flatMap(({ name, options }) =>
    options
      .filter((option) => option.choices.length > 0)
      .flatMap((option) => option.flags.map((flag) => `    "${name} ${flag}") words="${words(option.choices)}" ;;`)),
  );
  const first = commands.filter((command) => command.choices.length > 0);
  return `# Completes gigamapper in bash: eval "$(gigamapper completion bash)"
_gigamapper() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${words(commands.map(({ name }) => name))} --help --version" -- "$word"))
    return
  fi
  case "$command $before" in
${[...choices, ...first.map(({ name, choices: names }) => `    "${name} ${name}") words="${words(names)}" ;;`)].join("\n")}
  esac
  case "$word" in
    -*)
      case "$command" in
${commands.map((command) => `        ${command.name}) words="${words(flags(command))}" ;;`).join("\n")}
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _gigamapper gigamapper
`;
}

function zsh(commands: Completed[]): string {
  const described = (name: string, description: string): string =>
    quoted(`${name.replaceAll(":", "\\:")}:${description.replaceAll(":", "\\:")}`);
  const entries = ({ options }: Completed): string =>
    options.flatMap((option) => option.flags.map((flag) => described(flag, option.description))).join(" ");
  return `# Completes gigamapper in zsh: eval "$(gigamapper completion zsh)"
_gigamapper() {
  local -a commands options
  commands=(${commands.map(({ name, description }) => described(name, description)).join(" ")})
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "$words[2] $words[CURRENT-1]" in
${commands
  .flatMap(({ name, choices, options }) => [
    ...(choices.length > 0 ? [`    ${quoted(`${name} ${name}`)}) compadd ${words(choices)}; return ;;`] : []),
    ...options
      .filter((option) => option.choices.length > 0)
      .flatMap((option) =>
        option.flags.map((flag) => `    ${quoted(`${name} ${flag}`)}) compadd ${words(option.choices)}; return ;;`),
      ),
  ])
  .join("\n")}
  esac
  case "$words[2]" in
${commands.map((command) => `    ${command.name}) options=(${entries(command)}) ;;`).join("\n")}
  esac
  if [[ "$words[CURRENT]" == -* ]]; then
    _describe option options
  else
    _files
  fi
}
compdef _gigamapper gigamapper
`;
}

function fish(commands: Completed[]): string {
  const lines = [
    "# Completes gigamapper in fish: gigamapper completion fish > ~/.config/fish/completions/gigamapper.fish",
  ];
  const escaped = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  for (const { name, description, choices, options } of commands) {
    lines.push(`complete -c gigamapper -n __fish_use_subcommand -f -a ${name} -d ${escaped(description)}`);
    const within = `complete -c gigamapper -n '__fish_seen_subcommand_from ${name}'`;
    if (choices.length > 0) lines.push(`${within} -f -a ${escaped(words(choices))}`);
    for (const option of options) {
      const named = option.flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
      const argument =
        option.choices.length > 0 ? [`-x -a ${escaped(words(option.choices))}`] : option.takesValue ? ["-r"] : [];
      lines.push([within, ...named, ...argument, "-d", escaped(option.description)].join(" "));
    }
  }
  return `${lines.join("\n")}\n`;
}
