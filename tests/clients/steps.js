// Runs the steps of a client's script: a step that fails is told with its cause, and the others run all the same.
const assert = require('node:assert');

const [host, port] = [process.argv[2] ?? '127.0.0.1', Number(process.argv[3] ?? 5433)];
const user = 'ann', database = 'everfold';

/** Runs an object of asynchronous functions in order, then ends the process: 0 if all went well. `ONLY=name,..` runs these alone. */
async function run(steps) {
  const only = process.env.ONLY?.split(',');
  const failed = [];
  for (const [name, f] of Object.entries(steps)) {
    if (only && !only.includes(name)) continue;
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('no answer for 60 seconds')), 60000); });
    try {
      await Promise.race([f(), late]);
      console.log(`ok      ${name}`);
    } catch (e) {
      failed.push(name);
      console.log(`FAILED  ${name}: ${e?.code ?? ''} ${e?.message?.split('\n').join(' ')}`);
      console.log(e);
    }
    clearTimeout(timer);
  }
  console.log(failed.length ? `${failed.length} of ${Object.keys(steps).length} steps failed: ${failed.join(', ')}` : 'ok');
  process.exit(failed.length ? 1 : 0);
}

/** Asserts that a promise is rejected with a SQLSTATE, and gives the error. */
async function raises(state, promise) {
  let value;
  try { value = await promise; } catch (e) {
    const code = e.code ?? e.original?.code ?? e.driverError?.code;
    assert.equal(code, state, `SQLSTATE ${code}, expected ${state}: ${e.message}`);
    return e;
  }
  assert.fail(`expected SQLSTATE ${state}, got ${JSON.stringify(value)}`);
}

module.exports = { host, port, user, database, run, raises, same: assert.deepEqual, assert };
