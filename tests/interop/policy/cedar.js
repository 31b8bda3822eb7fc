/* Cedar's own engine, out of npm: installed under WORKDIR/npm where it is not there yet. Ends the program with 77 when it cannot be. */
'use strict';
const fs = require('fs');
const path = require('path');
const { spawnSync } = require('child_process');

const PACKAGE = '@cedar-policy/cedar-wasm';
const VERSION = '4.13.0';

/* Installed beside its place and moved there whole: two tests may be at it at once. */
function install(home) {
  const fresh = `${home}.${process.pid}`;
  fs.mkdirSync(fresh, { recursive: true });
  const npm = spawnSync('npm', ['install', '--prefix', fresh, '--no-audit', '--no-fund', `${PACKAGE}@${VERSION}`], { timeout: 60000, encoding: 'utf8' });
  if (npm.status !== 0) {
    console.log(`skipped: npm cannot install ${PACKAGE}: ${(npm.stderr || String(npm.error)).split('\n')[0]}`);
    process.exit(77);
  }
  try {
    fs.renameSync(fresh, home);
  } catch {
    fs.rmSync(fresh, { recursive: true }); // the other one was first
  }
}

module.exports = (workdir) => {
  const home = path.join(workdir, 'npm');
  const entry = path.join(home, 'node_modules', PACKAGE, 'nodejs');
  if (!fs.existsSync(entry)) install(home);
  return require(entry);
};
