/*
 * Cedar's own validator over keyward's schema: every policy file must be accepted, and refused as soon as one name in it is spelt wrong.
 *
 * node validate.js WORKDIR SCHEMA POLICIES...      Exit: 0, 1 when one is not judged so, 77 when Cedar cannot be installed.
 */
'use strict';
const fs = require('fs');
const path = require('path');
const cedar = require('./cedar.js')(path.resolve(process.argv[2]));
const schema = fs.readFileSync(process.argv[3], 'utf8');

function errors(text) {
  const answer = cedar.validate({ schema, policies: { staticPolicies: text }, validationSettings: { mode: 'strict' } });
  if (answer.type !== 'success') return answer.errors.map((x) => x.message);
  return answer.validationErrors.map((x) => `${x.policyId}: ${x.error.message}`);
}

function judge(what, good, detail) {
  console.log(`${good ? 'ok' : 'not ok'} - ${what}${good ? '' : `: ${detail}`}`);
  if (!good) process.exitCode = 1;
}

for (const file of process.argv.slice(4)) {
  const text = fs.readFileSync(file, 'utf8');
  const found = errors(text);
  judge(`Cedar's validator accepts ${path.basename(file)}`, found.length === 0, found.join('; '));
  for (const [right, wrong] of [['Action::"', 'Action::"un'], ['principal == User', 'principal == Person'], ['resource.name', 'resource.nome'], ['context.via', 'context.vie']]) {
    if (!text.includes(right)) continue;
    judge(`and refuses it with ${wrong}`, errors(text.replaceAll(right, wrong)).length > 0, 'it is accepted');
  }
}
