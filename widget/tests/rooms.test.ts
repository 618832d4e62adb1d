/** The rooms of `src/`, held to what their README.md files say. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const SOURCE = new URL('../src/', import.meta.url);
const TESTS = new URL('./', import.meta.url);
const README_LINES = 15;
const MODULE_LINES = 500;

/** How a module uses another room: its code, only its types, or as a file that is fetched later. */
type Kind = 'Uses' | 'Uses types of' | 'Fetches later';
const KINDS: readonly Kind[] = ['Uses', 'Uses types of', 'Fetches later'];

interface Module {
  /** Relative to `src/`. */
  readonly path: string;
  readonly text: string;
}

interface Room {
  readonly readme: string;
  /** Names of rooms, by how they may be used. */
  readonly may: Readonly<Record<Kind, readonly string[]>>;
  readonly types: readonly string[];
}

const read = (path: string) => readFileSync(new URL(path, SOURCE), 'utf8');
const paths = (readdirSync(SOURCE, { recursive: true }) as string[]).sort();
const roomOf = (path: string) => posix.dirname(path);
const modules: readonly Module[] = paths
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .map((path) => ({ path, text: read(path) }));
const folders = [...new Set(paths.filter((path) => /\.(ts|json)$/.test(path)).map(roomOf))];

/** The names in backquotes after `title:` in a README. */
function listed(readme: string, title: string): string[] {
  const line = new RegExp(`^${title}: (.*)$`, 'm').exec(readme)?.[1] ?? '';
  return [...line.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
}

function roomIn(readme: string): Room {
  const may = {
    Uses: listed(readme, 'Uses'),
    'Uses types of': listed(readme, 'Uses types of'),
    'Fetches later': listed(readme, 'Fetches later'),
  };
  return { readme, may, types: listed(readme, 'Types') };
}

const rooms = new Map(folders.map((folder) => [folder, roomIn(read(`${folder}/README.md`))]));

const parse = ({ path, text }: Module) => ts.createSourceFile(path, text, ts.ScriptTarget.Latest);

function* nodes(node: ts.Node): Generator<ts.Node> {
  const children: ts.Node[] = [];
  node.forEachChild((child) => void children.push(child));
  for (const child of children) {
    yield child;
    yield* nodes(child);
  }
}

/** Every use of another room by a module. */
function* crossings(module: Module): Generator<[room: string, kind: Kind]> {
  for (const node of nodes(parse(module))) {
    let target: ts.Node | undefined;
    let kind: Kind = 'Uses';
    if (ts.isImportDeclaration(node)) {
      target = node.moduleSpecifier;
      const clause = node.importClause;
      const names = clause?.namedBindings;
      const isTypes = names && ts.isNamedImports(names) && names.elements.every((name) => name.isTypeOnly);
      if (clause?.isTypeOnly || (isTypes && !clause.name)) kind = 'Uses types of';
    } else if (ts.isExportDeclaration(node)) {
      target = node.moduleSpecifier;
      if (node.isTypeOnly) kind = 'Uses types of';
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      target = node.argument.literal;
      kind = 'Fetches later';
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      [target] = node.arguments;
    }
    if (!target || !ts.isStringLiteral(target) || !target.text.startsWith('.')) continue;
    const room = roomOf(posix.join(roomOf(module.path), target.text));
    if (room !== roomOf(module.path)) yield [room, kind];
  }
}

// --- the rules: each takes a module and yields what is wrong with it ---------------------------------

/** Who may use a room's code may use its types; who fetches a room later may name its types. */
const COVERS: Readonly<Record<Kind, readonly Kind[]>> = {
  Uses: ['Uses'],
  'Uses types of': KINDS,
  'Fetches later': ['Fetches later'],
};

function* strangeImports(module: Module): Generator<string> {
  const may = rooms.get(roomOf(module.path))?.may;
  for (const [room, kind] of crossings(module)) {
    if (!COVERS[kind].some((other) => may?.[other].includes(room))) yield `${kind}: ${room}`;
  }
}

/** What would make `core` depend on a browser, a clock or chance, and what a Worker has not. */
const BROWSER = /^(document|window|navigator|location|localStorage|customElements|fetch|performance|Date|set(Timeout|Interval)|getRandomValues|randomUUID|Worker|BroadcastChannel|MessageChannel|WebSocket|(HTML|SVG|CSS|RTC|MediaStream|VideoFrame)\w*)$/;
const PAGE = /^(document|window|localStorage|customElements|RTCPeerConnection|(HTML|SVG|CSS)\w*)$/;

function* impurities(module: Module): Generator<string> {
  const forbidden = module.path.startsWith('core/') ? BROWSER : module.path.startsWith('relay/') ? PAGE : null;
  if (!forbidden) return;
  for (const node of nodes(parse(module))) {
    if (ts.isIdentifier(node) && forbidden.test(node.text)) yield `names ${node.text}`;
    if (forbidden !== BROWSER || !ts.isPropertyAccessExpression(node)) continue;
    if (node.name.text === 'random') yield 'draws a random number';
  }
}

function* oversize(module: Module): Generator<string> {
  const lines = module.text.split('\n').length - 1;
  if (lines > MODULE_LINES) yield `has ${lines} lines`;
}

function* vagueNames(module: Module): Generator<string> {
  for (const name of module.path.replace('.ts', '').split('/')) {
    if (/^(common|helpers?|manager|misc|utils?)$/.test(name)) yield `is called ${name}`;
  }
}

function* missingTests(module: Module): Generator<string> {
  if (!module.path.startsWith('core/') || !/^export (const|function|async|class)/m.test(module.text)) return;
  const mirror = module.path.replace('.ts', '.test.ts');
  if (!existsSync(new URL(mirror, TESTS))) yield `has no tests/${mirror}`;
}

/** A comment is read alone: no sentence of it may begin or end on another line's. */
function* halfSentences(module: Module): Generator<string> {
  for (const [comment] of module.text.matchAll(/\/\*\*?[^]*?\*\/|\/\/ .*$/gm)) {
    if (/^(\/\*\*?|\/\/) *…|… *(\*\/)?$/.test(comment)) yield `has the comment ${comment}`;
  }
}

const RULES = { strangeImports, impurities, oversize, vagueNames, missingTests, halfSentences };

test.each(Object.entries(RULES))('no module breaks the rule %s', (_name, rule) => {
  expect(modules.flatMap((module) => [...rule(module)].map((fault) => `${module.path}: ${fault}`))).toEqual([]);
});

test.each<[keyof typeof RULES, string, string]>([
  ['strangeImports', 'core/x.ts', "import { Bucket } from './traffic/bucket';"],
  ['strangeImports', 'core/wire/x.ts', "import type { Bucket } from '../traffic/bucket';"],
  ['strangeImports', 'core/addresses/x.ts', "import { read } from '../wire/description';"],
  ['strangeImports', 'relay/link/x.ts', "import { Person } from '../person';"],
  ['strangeImports', 'element/view/x.ts', "import { type LiveView } from '../../more/live';"],
  ['strangeImports', 'element/view/x.ts', "type More = typeof import('../../more/more');"],
  ['strangeImports', 'element/work/x.ts', "import * as storage from '../site/storage';"],
  ['strangeImports', 'element/work/x.ts', "export { Relay } from '../../relay/relay';"],
  ['strangeImports', 'element/x.ts', "const engine = await import('./work/engine');"],
  ['strangeImports', 'more/x.ts', "import { PasserelleSwitch } from '../element/element';"],
  ['impurities', 'core/switch/x.ts', 'const now = Date.now();'],
  ['impurities', 'core/x.ts', 'export const wait = () => Math.random();'],
  ['impurities', 'core/wire/x.ts', 'export function take(channel: RTCDataChannel): void {}'],
  ['impurities', 'relay/x.ts', 'new RTCPeerConnection()'],
  ['oversize', 'map/x.ts', '\n'.repeat(MODULE_LINES + 1)],
  ['vagueNames', 'element/utils.ts', ''],
  ['missingTests', 'core/x.ts', 'export const x = 1;'],
  ['halfSentences', 'map/x.ts', '/** … and so on. */'],
  ['halfSentences', 'map/x.ts', 'x(); // This leads to …'],
])('the rule %s can fail, in %s', (rule, path, text) => {
  expect([...RULES[rule]({ path, text })]).not.toEqual([]);
});

test.each<[keyof typeof RULES, string, string]>([
  ['strangeImports', 'core/addresses/x.ts', "import type { Candidate } from '../wire/description';"],
  ['strangeImports', 'element/work/x.ts', "import { type SiteStorage } from '../site/storage';"],
  ['strangeImports', 'element/x.ts', "import type { Engine } from './work/engine';"],
  ['strangeImports', 'map/x.ts', "import { geoDistance } from 'd3-geo';"],
  ['impurities', 'core/wire/x.ts', "const key = await crypto.subtle.digest('SHA-256', new Uint8Array());"],
  ['impurities', 'relay/x.ts', 'export const now_ms = () => performance.now() + Math.random();'],
  ['missingTests', 'core/x.ts', 'export interface X {}'],
  ['halfSentences', 'map/x.ts', 'const LOADING = "Loading…";'],
])('the rule %s allows what the design asks for, in %s', (rule, path, text) => {
  expect([...RULES[rule]({ path, text })]).toEqual([]);
});

describe.each([...rooms])('the README of %s', (folder, { readme, may, types }) => {
  const own = modules.filter(({ path }) => roomOf(path) === folder);

  test('is short, and begins with the name of its room', () => {
    expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(README_LINES);
    expect(readme).toMatch(folder === '.' ? /^# .+\n\n\S/ : new RegExp(`^# ${folder}\n\n\\S`));
  });

  test('lists no room that is not used', () => {
    const used = own.flatMap((module) => [...crossings(module)]);
    for (const kind of KINDS) {
      for (const room of may[kind]) expect(used).toContainEqual([room, kind]);
    }
  });

  test('names types that are there', () => {
    const code = own.map(({ text }) => text).join('\n');
    for (const type of types) expect(code).toMatch(new RegExp(`^export (class|interface|type) ${type}\\b`, 'm'));
  });
});

test('rooms use each other in one direction only', () => {
  const above = (room: string, trail: readonly string[]): void => {
    expect(trail, [...trail, room].join(' → ')).not.toContain(room);
    const { may } = rooms.get(room) as Room;
    for (const next of KINDS.flatMap((kind) => may[kind])) above(next, [...trail, room]);
  };
  for (const room of rooms.keys()) above(room, []);
});
