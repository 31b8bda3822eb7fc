/*
 * Differential test: random policies, entities and requests, asked of keyward's engine (the decide program) and of Cedar's own
 * (npm @cedar-policy/cedar-wasm). They must agree on the decision and the reasons; where Cedar reports an error, keyward must deny.
 * A second part mangles the texts: whatever keyward accepts, Cedar must accept (keyward's language is a subset).
 *
 * node differential.js DECIDE WORKDIR     environment: POLICY_DIFF_CASES (2000), POLICY_DIFF_SEED (random, printed)
 * More than 20,000 cases are shared by two processes with neighbouring seeds. Nearly all the time goes into Cedar reading entities anew for every request, so
 * most worlds list few of them.
 * Exit: 0, 1 on a difference (case kept in WORKDIR), 77 when Cedar cannot be installed.
 */
'use strict';
const fs = require('fs');
const path = require('path');
const { spawn, spawnSync } = require('child_process');
const loadCedar = require('./cedar.js');

const [decide, workdir] = process.argv.slice(2).map((p) => path.resolve(p));
const CASES = Number(process.env.POLICY_DIFF_CASES || 2000);
const SEED = Number(process.env.POLICY_DIFF_SEED || Math.floor(Math.random() * 2 ** 31));

/* ---- randomness ---- */

let state = SEED >>> 0;
function random() { // mulberry32
  state = (state + 0x6D2B79F5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const chance = (p) => random() < p;
const some = (max, make) => Array.from({ length: below(max + 1) }, make);

/* ---- the universe: few names, so that they meet ---- */

const TYPES = ['User', 'Group', 'Key', 'Vault', 'Ns::Thing'];
const IDS = ['a', 'b', 'c', 'd e', 'é"\\'];
const ACTIONS = ['read', 'sign', 'use', 'all'];
const ATTRS = ['n', 's', 'flag', 'owner', 'set', 'rec', 'odd name', 'zz', 'ip', 'at', 'span', 'text'];
const STRINGS = ['', 'a', 'ab', 'abc', 'a*c', 'é', 'CKM_RSA', 'CKM_ECDSA_SHA256', 'x\ny', '\\', 'aab', '\u{1F600}'];
const LONGS = ['0', '1', '2', '3', '7', '-1', '-7', '9223372036854775807', '-9223372036854775808', '--3', '- 2', '---9223372036854775808'];

function quote(s) {
  let out = '"';
  for (const c of s) {
    if (c === '"' || c === '\\') out += '\\' + c;
    else if (c === '\n') out += pick(['\\n', '\n', '\\x0a', '\\u{a}']);
    else if (c === '\0') out += '\\0';
    else if (c > '~' && chance(0.5)) out += `\\u{${c.codePointAt(0).toString(16)}}`;
    else if (chance(0.03) && c.charCodeAt(0) < 128) out += '\\x' + c.charCodeAt(0).toString(16).padStart(2, '0');
    else out += c;
  }
  return out + '"';
}
const uid = (type) => `${type || pick(TYPES)}::${quote(pick(IDS))}`;
const actionUid = () => `Action::${quote(pick(ACTIONS))}`;
const isName = (s) => /^[a-zA-Z_]\w*$/.test(s);

/* ---- expressions of a wanted type, wrong now and then ---- */

const KINDS = ['bool', 'long', 'string', 'entity', 'set', 'record', 'ip', 'datetime', 'duration'];

/* Texts of the extension types that can be read; BAD_TEXTS cannot, and stand where a constructor gets its text from an attribute. */
const TEXTS = {
  ip: ['10.0.0.1', '10.0.0.1/32', '10.0.0.0/8', '10.255.0.1/9', '127.0.0.1', '127.0.0.0/7', '0.0.0.0/0', '224.0.0.1', '239.1.1.1/3', '255.255.255.255',
    '::', '::1', '::1/127', '::/0', 'ff02::1', 'fe80::/10', '2001:db8::/32', '2001:DB8:0:0:8000::1', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8/100'],
  datetime: ['1970-01-01', '2024-02-29', '2024-10-15T11:35:00Z', '2024-10-15T11:35:00.001Z', '2024-10-15T23:59:59.999-2359', '1969-12-31T12:00:00Z', '0000-01-01',
    '9999-12-31T23:59:59Z', '2024-10-15T00:00:00+0130', '2024-10-15'],
  duration: ['0ms', '1d', '24h', '-1d', '1h30m', '1ms', '-1ms', '12h34m56s', '1d2h3m4s5ms', '9223372036854775807ms', '-9223372036854775808ms', '106751991167d7h12m55s807ms', '-20000d'],
};
const BAD_TEXTS = ['10.0.0.256', '1.2.3', '::ffff:1.2.3.4', '1.2.3.4/33', ':::', '2023-02-29', '2024-10-15T24:00:00Z', '2024-10-15T11:35Z', '2024-1-1', '1h1d', '1', '-', '106751991168d'];

function attribute(depth) {
  const object = chance(0.6) ? pick(['context', 'principal', 'resource']) : pick([uid(), () => expression('entity', depth), () => expression('record', depth)]);
  const text = typeof object === 'function' ? `(${object()})` : object;
  const name = pick(ATTRS);
  return isName(name) && chance(0.8) ? `${text}.${name}` : `${text}[${quote(name)}]`;
}

const ATTR_OF = { bool: ['flag'], long: ['n'], string: ['s', 'odd name'], entity: ['owner'], set: ['set'], record: ['rec'], ip: ['ip'], datetime: ['at'], duration: ['span'] };
function typedAttribute(kind) {
  const name = chance(0.92) ? pick(ATTR_OF[kind]) : pick(ATTRS);
  const object = pick(['context', 'context', 'context', 'principal', 'resource', 'context.rec', uid()]);
  return isName(name) && chance(0.8) ? `${object}.${name}` : `${object}[${quote(name)}]`;
}

function hasPath() {
  if (chance(0.3)) return quote(pick(ATTRS));
  const names = ATTRS.filter(isName);
  return [pick(names), ...some(2, () => pick(names))].join('.');
}

function pattern() {
  return '"' + some(4, () => pick(['*', '*', '\\*', 'a', 'b', 'CKM_', 'é', '\\u{2a}', 'c', '\\\\'])).join('') + '"';
}

/* A constructor's text that is only known when it is asked. */
const computed = (kind) => pick(['context.text', 'context.s', `(if ${pick(['context.flag', 'true', 'false'])} then ${quote(pick(TEXTS[kind]))} else ${quote(pick(BAD_TEXTS))})`]);

const LEAVES = {
  bool: () => pick(['true', 'false']),
  long: () => pick(LONGS),
  string: () => quote(pick(STRINGS)),
  entity: () => pick(['principal', 'resource', 'action', uid(), actionUid()]),
  set: () => '[' + some(3, () => pick([LEAVES.long, LEAVES.long, LEAVES.string, LEAVES.entity, LEAVES.ip, LEAVES.datetime])()).join(', ') + ']',
  ip: () => `ip("${pick(TEXTS.ip)}")`,
  datetime: () => `datetime("${pick(TEXTS.datetime)}")`,
  duration: () => `duration("${pick(TEXTS.duration)}")`,
  record: () => pick(['context', '{}', `{n: ${pick(LONGS)}, "s": ${quote(pick(STRINGS))}}`, `{rec: {flag: true}, n: 1,}`]),
};

const INNER = {
  bool: [
    (d) => `(${e('bool', d)} && ${e('bool', d)})`,
    (d) => `(${e('bool', d)} && ${e('bool', d)} && ${e('bool', d)})`,
    (d) => `(${e('bool', d)} || ${e('bool', d)})`,
    (d) => `(${e('bool', d)} || ${e('bool', d)} && ${e('bool', d)})`,
    (d) => `!(${e('bool', d)})`,
    (d) => `!!(${e('bool', d)})`,
    (d) => { const k = pick(KINDS); return `(${e(k, d)} ${pick(['==', '!='])} ${e(chance(0.85) ? k : pick(KINDS), d)})`; },
    (d) => `(${e('long', d)} ${pick(['<', '<=', '>', '>=', '==', '!='])} ${e('long', d)})`,
    (d) => `(${e('entity', d)} in ${e(chance(0.7) ? 'entity' : 'set', d)})`,
    (d) => `(${e('entity', d)} in [${some(3, () => e(chance(0.95) ? 'entity' : 'long', d)).join(', ')}])`,
    (d) => `(${e(pick(['entity', 'record']), d)} has ${hasPath()})`,
    () => `(${pick(['principal', 'resource', 'context', 'context.rec'])} has ${hasPath()})`,
    (d) => `(${e('string', d)} like ${pattern()})`,
    (d) => `(${e('entity', d)} is ${pick(TYPES)})`,
    (d) => `(${e('entity', d)} is ${pick(TYPES)} in ${e(chance(0.8) ? 'entity' : 'set', d)})`,
    (d) => `(${e('set', d)}).contains(${e(pick(KINDS), d)})`,
    (d) => `(${e('set', d)}).containsAll(${e('set', d)})`,
    (d) => `(${e('set', d)}).containsAny(${e('set', d)})`,
    (d) => `(${e('set', d)}).isEmpty()`,
    (d) => `(if ${e('bool', d)} then ${e('bool', d)} else ${e('bool', d)})`,
    (d) => `(${e('ip', d)}).${pick(['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast'])}()`,
    (d) => `(${e('ip', d)}).isInRange(${e('ip', d)})`,
    (d) => `(${e('ip', d)}).isInRange(${e('ip', d)})`,
    (d) => { const k = pick(['datetime', 'duration']); return `(${e(k, d)} ${pick(['<', '<=', '>', '>=', '==', '!='])} ${e(chance(0.95) ? k : pick(KINDS), d)})`; },
    () => { const a = pick(ATTRS.filter(isName)); const o = pick(['context', 'principal', 'resource']); return `(${o} has ${a} && ${o}.${a} == ${e(pick(KINDS), 1)})`; },
  ],
  ip: [(d) => `(if ${e('bool', d)} then ${e('ip', d)} else ${e('ip', d)})`, () => `ip(${computed('ip')})`],
  datetime: [
    (d) => `(${e('datetime', d)}).offset(${e('duration', d)})`,
    (d) => `(${e('datetime', d)}).toDate()`,
    () => `datetime(${computed('datetime')})`,
  ],
  duration: [
    (d) => `(${e('datetime', d)}).durationSince(${e('datetime', d)})`,
    (d) => `(${e('datetime', d)}).toTime()`,
    () => `duration(${computed('duration')})`,
  ],
  long: [
    (d) => `(${e('duration', d)}).${pick(['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays'])}()`,
    (d) => `-(${e('long', d)})`, (d) => `--(${e('long', d)})`, (d) => `(if ${e('bool', d)} then ${e('long', d)} else ${e('long', d)})`,
  ],
  string: [(d) => `(if ${e('bool', d)} then ${e('string', d)} else ${e('string', d)})`],
  entity: [(d) => `(if ${e('bool', d)} then ${e('entity', d)} else ${e('entity', d)})`],
  set: [(d) => '[' + some(4, () => e(pick(KINDS), d)).join(', ') + ']', (d) => `[${e('set', d)}, ${e('set', d)}]`],
  record: [(d) => `{n: ${e('long', d)}, rec: ${e('record', d)}, "odd name": ${e('string', d)}}`, (d) => `{flag: ${e('bool', d)}}`, (d) => `{z: ${e('set', d)}, a: ${e('set', d)}}.${pick(['z', 'a', 'b'])}`],
};

function expression(kind, depth) {
  if (chance(0.03)) kind = pick(KINDS);
  if (depth <= 0 || chance(0.15)) return LEAVES[kind]();
  if (chance(0.3)) return typedAttribute(kind);
  if (chance(0.02)) return attribute(depth - 1);
  return pick(INNER[kind])(depth - 1);
}
function e(kind, depth) { return expression(kind, depth); }

/* ---- policies ---- */

function party(variable) {
  const r = random();
  if (r < 0.7) return variable;
  if (r < 0.77) return `${variable} == ${uid()}`;
  if (r < 0.84) return `${variable} in ${uid()}`;
  if (r < 0.95) return `${variable} is ${pick(TYPES)}`;
  return `${variable} is ${pick(TYPES)} in ${uid()}`;
}
function actionScope() {
  const r = random();
  if (r < 0.7) return 'action';
  if (r < 0.8) return `action == ${actionUid()}`;
  if (r < 0.9) return `action in ${actionUid()}`;
  return `action in [${some(3, actionUid).join(', ')}]`;
}
function policy() {
  const annotations = some(2, () => pick(['@note("x")', '@audit', '@if("y")']));
  const conditions = some(2, () => `${pick(['when', 'when', 'unless'])} { ${expression('bool', 1 + below(4))} }`);
  return `${[...new Set(annotations)].join('\n')}\n${chance(0.65) ? 'permit' : 'forbid'} (${party('principal')}, ${actionScope()}, ${party('resource')}) ${conditions.join('\n')};`
    + (chance(0.2) ? ' // a comment' : '');
}
const policies = () => Array.from({ length: 1 + below(6) }, policy).join('\n') + '\n';

/* ---- entities and requests ---- */

const jsonUid = (type) => ({ type: type || pick(TYPES), id: pick(IDS) });
function jsonValue(kind, depth) {
  switch (kind) {
    case 'bool': return chance(0.5);
    case 'long': return below(10) - 3;
    case 'string': return pick(STRINGS);
    case 'entity': return { __entity: jsonUid() };
    case 'ip': case 'datetime': case 'duration': return { __extn: { fn: kind, arg: pick(TEXTS[kind]) } };
    case 'set': return some(3, () => jsonValue(depth > 0 ? pick(KINDS) : pick(['long', 'string', 'entity', 'ip']), depth - 1));
    default: return jsonRecord(depth - 1);
  }
}
function jsonRecord(depth) {
  const out = {};
  for (const name of ATTRS) {
    if (!chance(depth >= 1 ? 0.75 : 0.5)) continue;
    if (name === 'text') {
      out[name] = pick(chance(0.7) ? TEXTS[pick(Object.keys(TEXTS))] : BAD_TEXTS);
      continue;
    }
    const kind = chance(0.93) ? Object.keys(ATTR_OF).find((k) => ATTR_OF[k].includes(name)) || 'long' : pick(KINDS);
    if (depth > 0 || (kind !== 'record' && kind !== 'set')) out[name] = jsonValue(kind, depth - 1);
  }
  return out;
}
function entities(rich) {
  const all = [];
  for (const type of TYPES) for (const id of IDS) all.push({ type, id });
  const listed = all.filter(() => chance(rich ? 0.7 : 0.08));
  const out = listed.map((u, i) => ({
    uid: u,
    attrs: chance(0.8) ? jsonRecord(rich ? 2 : 1 + below(2)) : {},
    // Only towards the end of the list, so that there is no cycle (which Cedar refuses).
    parents: some(2, () => chance(0.9) && i + 1 < listed.length ? listed[i + 1 + below(listed.length - i - 1)] : { type: 'Nowhere', id: 'x' }),
  }));
  out.push({ uid: { type: 'Action', id: 'read' }, attrs: {}, parents: [{ type: 'Action', id: 'use' }] });
  out.push({ uid: { type: 'Action', id: 'use' }, attrs: {}, parents: [{ type: 'Action', id: 'all' }] });
  return out;
}
/* Mostly about entities that are listed. */
const request = (list) => {
  const party = () => { const entity = pick(list); return entity.uid.type !== 'Action' && chance(0.8) ? entity.uid : jsonUid(); };
  return { principal: party(), action: { type: 'Action', id: pick(ACTIONS) }, resource: party(), context: chance(0.9) ? jsonRecord(1 + below(3)) : {} };
};

/* ---- asking ---- */

function ask(files) {
  const names = { policies: 'policies.cedar', entities: 'entities.json', requests: 'requests.jsonl' };
  const args = [];
  for (const key of Object.keys(names)) {
    const file = path.join(workdir, names[key]);
    fs.writeFileSync(file, files[key]);
    args.push(`--${key}`, file);
  }
  return spawnSync(decide, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
}

let shown = 0;
function differs(text, what) {
  process.exitCode = 1;
  if (++shown > 3) return;
  console.log(`DIFFERENCE (seed ${SEED}): ${what}\n${text}`);
}

const counts = { allow: 0, deny: 0, errors: 0, skipped: 0 };

/* The policies stand in Cedar under the name "now" (prepare). */
function compare(cedar, text, list, ask1, ours) {
  const theirs = cedar.statefulIsAuthorized({ ...ask1, preparsedPolicySetId: 'now', entities: list });
  if (theirs.type !== 'success') {
    counts.skipped++;
    return differs(text, `Cedar cannot answer: ${JSON.stringify(theirs.errors)}`);
  }
  const { decision, diagnostics } = theirs.response;
  const show = () => `keyward ${JSON.stringify(ours)}, Cedar ${JSON.stringify(theirs.response)}\nrequest ${JSON.stringify(ask1)}\nentities ${JSON.stringify(list)}`;
  const sorted = (a) => [...a].sort().join();
  if (sorted(diagnostics.errors.map((x) => x.policyId)) !== sorted(ours.errors)) return differs(text, show());
  if (diagnostics.errors.length > 0) {
    counts.errors++;
    if (ours.decision !== 'deny') differs(text, show());
    // A forbid that held stays the reason; else the policies that erred are.
    const reasons = decision === 'deny' && diagnostics.reason.length > 0 ? diagnostics.reason : ours.errors;
    if (sorted(reasons) !== sorted(ours.reasons)) differs(text, show());
    return undefined;
  }
  counts[decision]++;
  if (decision !== ours.decision || sorted(diagnostics.reason) !== sorted(ours.reasons)) differs(text, show());
  return undefined;
}

function prepare(cedar, text) {
  const answer = cedar.preparsePolicySet('now', { staticPolicies: text });
  if (answer.type !== 'success') differs(text, `keyward accepts what Cedar refuses: ${JSON.stringify(answer.errors)}`);
  return answer.type === 'success';
}

function decideAlike(cedar) {
  const PER_WORLD = CASES > 20000 ? 100 : 20;
  for (let done = 0; done < CASES && !process.exitCode; done += PER_WORLD) {
    const text = policies();
    const list = entities(chance(0.02));
    const requests = Array.from({ length: PER_WORLD }, () => request(list));
    if (!prepare(cedar, text)) return undefined;
    const result = ask({ policies: text, entities: JSON.stringify(list), requests: requests.map((r) => JSON.stringify(r)).join('\n') });
    if (result.status !== 0) return differs(text, `keyward: ${result.status} ${result.signal} ${result.stderr}`);
    const lines = result.stdout.trim().split('\n').map((l) => JSON.parse(l));
    requests.forEach((r, i) => compare(cedar, text, list, r, lines[i]));
  }
  return undefined;
}

/* ---- mangled texts ---- */

// Not @id: keyward answers with its value, Cedar with the policy's number.
const CRUMBS = ['(', ')', '{', '}', '[', ']', ',', ';', ':', '::', '.', '"', '\\', '==', '=', '!', '-', '&&', '||', '<', 'in', 'is', 'has', 'like', 'if',
  'then', 'else', 'true', 'principal', 'action', '9223372036854775808', '1', '@', '?principal', '//', '\n', '"a"', 'User', '*', '+', '__cedar', 'when', 'unless', 'é', '\r', '// a \r', '\u00a0', '/', '#', '\\u{d800}', 'ip("1.1.1.1")'];

function mangle(text) {
  for (let n = 1 + below(3); n > 0; n--) {
    const at = below(text.length);
    const cut = pick([0, 0, 1, 1, 3, 10]);
    text = text.slice(0, at) + (chance(0.6) ? pick(CRUMBS) : '') + text.slice(at + cut);
  }
  return text;
}

/* Accepted texts are also asked about: a text read differently is worse than one refused. */
function acceptNoMore(cedar) {
  let accepted = 0;
  let refused = 0;
  const list = entities(true);
  const requests = Array.from({ length: 4 }, () => request(list));
  for (let i = 0; i < Math.min(CASES / 4, 2000) && !process.exitCode; i++) {
    const text = mangle(policies());
    const result = ask({ policies: text, entities: JSON.stringify(list), requests: requests.map((r) => JSON.stringify(r)).join('\n') });
    if (result.status === 2 && /:\d+:\d+: ./.test(result.stderr)) {
      refused++;
      continue;
    }
    if (result.status !== 0) return differs(text, `keyward: ${result.status} ${result.signal} ${result.stderr}`);
    accepted++;
    if (!prepare(cedar, text)) return undefined;
    const lines = result.stdout.trim().split('\n').map((l) => JSON.parse(l));
    requests.forEach((r, n) => compare(cedar, text, list, r, lines[n]));
  }
  console.log(`mangled texts: ${accepted} accepted by both, ${refused} refused by keyward`);
  return undefined;
}

/* One half each, in folders of their own; Cedar is installed by now. */
function shareOut() {
  const home = path.join(workdir, 'npm');
  for (const half of [0, 1]) {
    const folder = path.join(workdir, `half${half}`);
    fs.mkdirSync(folder, { recursive: true });
    if (!fs.existsSync(path.join(folder, 'npm'))) fs.symlinkSync(home, path.join(folder, 'npm'));
    const env = { ...process.env, POLICY_DIFF_CASES: String(Math.ceil(CASES / 2)), POLICY_DIFF_SEED: String(SEED + half), POLICY_DIFF_HALF: '1' };
    spawn(process.execPath, [...process.execArgv, __filename, decide, folder], { env, stdio: 'inherit' })
      .on('exit', (status) => { process.exitCode = process.exitCode || (status === null ? 1 : status); });
  }
}

function main(cedar) {
  if (CASES > 20000 && !process.env.POLICY_DIFF_HALF) return shareOut();
  console.log(`seed ${SEED}, ${CASES} cases, Cedar ${cedar.getCedarVersion()}`);
  decideAlike(cedar);
  acceptNoMore(cedar);
  console.log(JSON.stringify(counts));
  return undefined;
}

main(loadCedar(workdir));
