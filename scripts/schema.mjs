/**
 * Writes dist/config.schema.json, the JSON schema of configuration files, from the types of requests in ts/generated.ts: their fields,
 * types and descriptions are said once, in the core. Every field is known by CellMapper's snake_case name, too.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { root } from "./toolchain.mjs";

/** Requests that have no configuration file, or are part of others. */
const APART = new Set(["LayoutRequest", "VerifyRequest", "CleanRequest"]);

/** The schema. */
export function schema(text = readFileSync(join(root, "ts", "generated.ts"), "utf8")) {
  const source = ts.createSourceFile("generated.ts", text, ts.ScriptTarget.ES2022, true);
  const types = new Map(source.statements.filter(ts.isTypeAliasDeclaration).map((alias) => [alias.name.text, alias]));
  const requests = [...types.values()].filter(({ name }) => /Request$/.test(name.text) && !APART.has(name.text));
  const described = requests.map((alias) => [commandOf(alias.name.text), object(alias.type, types)]);
  const properties = {};
  for (const [command, { properties: fields }] of described) {
    for (const [name, field] of Object.entries(fields)) {
      const { of = [], ...known } = properties[name] ?? {};
      const same = JSON.stringify(known) === JSON.stringify(field) || of.length === 0;
      properties[name] = { ...(same ? field : widened(known, field)), of: [...of, command] };
    }
  }
  const all = {};
  for (const [name, { of, description = "", ...field }] of Object.entries(properties)) {
    all[name] = { description: `${description} Of ${of.join(", ")}.`.trim(), ...field };
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (snake !== name) all[snake] = { $ref: `#/properties/${name}` };
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "gigamapper configuration",
    description: "Options of a command, for --config. Those of the command line win.",
    type: "object",
    properties: { $schema: { type: "string" }, ...all },
    additionalProperties: false,
    $defs: Object.fromEntries(described),
  };
}

/** A field that two commands describe in different words, or with different types. */
function widened(known, field) {
  const { description: _known, ...left } = known;
  const { description: _field, ...right } = field;
  if (JSON.stringify(left) === JSON.stringify(right)) return known;
  return { description: known.description, anyOf: [...(left.anyOf ?? [left]), right] };
}

function commandOf(name) {
  return name.replace(/Request$/, "").toLowerCase();
}

function object(type, types) {
  const properties = {};
  for (const member of type.members.filter(ts.isPropertySignature)) {
    const comment = ts.getJSDocCommentsAndTags(member).map(({ comment: told }) => ts.getTextOfJSDocComment(told) ?? "");
    const description = comment.join(" ").replace(/\s+/g, " ").trim();
    properties[member.name.text] = { ...(description && { description }), ...value(member.type, types) };
  }
  return { type: "object", properties, additionalProperties: false };
}

function value(type, types) {
  switch (type.kind) {
    case ts.SyntaxKind.StringKeyword:
      return { type: "string" };
    case ts.SyntaxKind.NumberKeyword:
      return { type: "number" };
    case ts.SyntaxKind.BooleanKeyword:
      return { type: "boolean" };
  }
  if (ts.isArrayTypeNode(type)) return { type: "array", items: value(type.elementType, types) };
  if (ts.isTupleTypeNode(type)) {
    const items = type.elements.map((element) => value(element, types));
    return { type: "array", prefixItems: items, minItems: items.length, maxItems: items.length };
  }
  if (ts.isLiteralTypeNode(type)) {
    return type.literal.kind === ts.SyntaxKind.NullKeyword ? { type: "null" } : { const: type.literal.text };
  }
  if (ts.isMappedTypeNode(type)) return { type: "object", additionalProperties: value(type.type, types) };
  if (ts.isTypeLiteralNode(type)) return object(type, types);
  if (ts.isParenthesizedTypeNode(type)) return value(type.type, types);
  if (ts.isUnionTypeNode(type)) return { anyOf: type.types.map((one) => value(one, types)) };
  if (ts.isTypeReferenceNode(type)) {
    const name = type.typeName.getText();
    if (name === "Array") return { type: "array", items: value(type.typeArguments[0], types) };
    if (name === "Record") return { type: "object", additionalProperties: value(type.typeArguments[1], types) };
    const alias = types.get(name);
    if (alias && ts.isTypeLiteralNode(alias.type)) return object(alias.type, types);
    if (alias) return value(alias.type, types);
  }
  throw new Error(`ts/generated.ts: scripts/schema.mjs does not know the type ${type.getText()}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(join(root, "dist", "config.schema.json"), `${JSON.stringify(schema(), null, 2)}\n`);
}
