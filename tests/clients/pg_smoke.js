// node-postgres against a server: node pg_smoke.js host port
const pg = require('pg');
const { host, port, user, database, run, raises, same, assert } = require('./steps');

const config = { host, port, user, database };
const SLOW = 'SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 100000) c';

async function connected(f, more = {}) {
  const c = new pg.Client({ ...config, ...more });
  await c.connect();
  try { return await f(c); } finally { await c.end(); }
}

run({
  async queries() {
    await connected(async (c) => {
      same((await c.query('SELECT $1::int + 1 AS n, $2::text AS t', [41, 'x'])).rows, [{ n: 42, t: 'x' }]);
      same((await c.query({ text: 'SELECT 1, 2', rowMode: 'array' })).rows, [[1, 2]]);
      const many = await c.query('SELECT 1 AS a; SELECT 2 AS b');
      same(many.map((r) => r.rows), [[{ a: 1 }], [{ b: 2 }]]);
    });
  },

  async values_of_every_type() {
    await connected(async (c) => {
      const values = [
        ['boolean', true, true], ['smallint', -5, -5], ['int', 7, 7], ['bigint', '9007199254740993', '9007199254740993'],
        ['real', 1.5, 1.5], ['double precision', 0.1, 0.1], ['numeric(10,2)', '12.50', '12.50'], ['text', 'grüß', 'grüß'],
        ['bytea', Buffer.from([0, 255]), Buffer.from([0, 255])], ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
        ['timestamptz', new Date('2024-01-02T03:04:05.678Z'), new Date('2024-01-02T03:04:05.678Z')],
        ['jsonb', { a: [1, null] }, { a: [1, null] }], ['int[]', [1, null, 3], [1, null, 3]], ['text[]', ['a', 'b"c'], ['a', 'b"c']],
      ];
      let n = 0;
      for (const [kind, value, expected] of values) {
        await c.query(`CREATE TABLE v${++n} (id int PRIMARY KEY, v ${kind})`);
        const done = await c.query(`INSERT INTO v${n} VALUES ($1, $2), (2, NULL) RETURNING v`, [1, value]);
        same([done.rowCount, done.rows[0].v], [2, expected]);
        same((await c.query(`SELECT v FROM v${n} ORDER BY id`)).rows.map((r) => r.v), [expected, null]);
      }
    });
  },

  async named_prepared_statements() {
    await connected(async (c) => {
      for (let i = 0; i < 10; i++) same((await c.query({ name: 'plus', text: 'SELECT $1::int + 1 AS n', values: [i] })).rows[0].n, i + 1);
      await raises('42601', c.query('SELEC 1'));
      same((await c.query({ name: 'plus', text: 'SELECT $1::int + 1 AS n', values: [5] })).rows[0].n, 6);
    });
  },

  async transactions() {
    await connected(async (c) => {
      await c.query('CREATE TABLE tx (id int PRIMARY KEY, v text)');
      await c.query('BEGIN');
      await c.query('INSERT INTO tx VALUES ($1, $2)', [1, 'a']);
      same((await c.query('SELECT v FROM tx WHERE id = 1')).rows, [{ v: 'a' }]);
      await c.query('SAVEPOINT s');
      await raises('22012', c.query('SELECT 1/0'));
      await c.query('ROLLBACK TO SAVEPOINT s');
      await c.query('COMMIT');
      same((await c.query('SELECT count(*) AS n FROM tx')).rows, [{ n: '1' }]);
    });
  },

  async pools() {
    const pool = new pg.Pool({ ...config, max: 8 });
    const got = await Promise.all(Array.from({ length: 100 }, (_, i) => pool.query('SELECT $1::int AS i', [i])));
    same(got.map((r) => r.rows[0].i), Array.from({ length: 100 }, (_, i) => i));
    await pool.end();
  },

  async errors_tell_where() {
    await connected(async (c) => {
      const e = await raises('42703', c.query('SELECT nosuch FROM pg_class'));
      same(e.position, '8');
      await c.query('CREATE TABLE must (id int PRIMARY KEY, v text NOT NULL)');
      const missing = await raises('23502', c.query('INSERT INTO must VALUES (1, NULL)'));
      same([missing.column, missing.table, missing.schema], ['v', 'must', 'public']);
    });
  },

  async timeouts() {
    await connected(async (c) => { await raises('57014', c.query(SLOW)); }, { statement_timeout: 300 });
  },

  async cancel() {
    await connected(async (c) => {
      const pid = (await c.query('SELECT pg_backend_pid() AS p')).rows[0].p;
      const slow = raises('57014', c.query(SLOW));
      await connected((d) => d.query('SELECT pg_cancel_backend($1)', [pid]));
      await slow;
    });
  },

  async notifications() {
    await connected(async (c) => {
      const got = new Promise((resolve) => c.on('notification', resolve));
      await c.query('LISTEN news');
      await connected((d) => d.query("NOTIFY news, 'hello'"));
      const { channel, payload } = await got;
      same([channel, payload], ['news', 'hello']);
    });
  },

  async notices() {
    await connected(async (c) => {
      const got = new Promise((resolve) => c.on('notice', resolve));
      await c.query('DROP TABLE IF EXISTS nosuch');
      same((await got).message, 'table "nosuch" does not exist, skipping');
    });
  },

  async fields_tell_types() {
    await connected(async (c) => {
      await c.query('CREATE TABLE told (id int PRIMARY KEY, n numeric(10,2), v varchar(7))');
      const { fields } = await c.query('SELECT id, n, v FROM told');
      same(fields.map((f) => [f.name, f.dataTypeID, f.dataTypeModifier, f.columnID]), [['id', 23, -1, 1], ['n', 1700, 655366, 2], ['v', 1043, 11, 3]]);
      assert(fields[0].tableID > 0);
    });
  },
});
