// postgres.js against a server: node postgres_js_smoke.js host port
const postgres = require('postgres');
const { host, port, user, database, run, raises, same } = require('./steps');

const sql = postgres({ host, port, user, database, onnotice: () => {}, max: 4 });

run({
  async queries() {
    same([...(await sql`SELECT ${41}::int + 1 AS n, ${'x'} AS t`)], [{ n: 42, t: 'x' }]);
    same((await sql`SELECT ${[1, 2, 3]}::int[] AS a`)[0].a, [1, 2, 3]);
    same((await sql.unsafe('SELECT 1 AS a; SELECT 2 AS b')).map((r) => r[0]), [{ a: 1 }, { b: 2 }]);
  },

  async helpers() {
    await sql`CREATE TABLE people (id int PRIMARY KEY, name text, born date, doc jsonb, tags text[])`;
    const people = [1, 2, 3].map((id) => ({ id, name: `n${id}`, born: new Date('2000-01-02'), doc: { id }, tags: ['a', 'b'] }));
    same((await sql`INSERT INTO people ${sql(people)} RETURNING id`).map((r) => r.id), [1, 2, 3]);
    same((await sql`SELECT name FROM people WHERE id IN ${sql([1, 3])} ORDER BY id`).map((r) => r.name), ['n1', 'n3']);
    same((await sql`SELECT ${sql(['id', 'doc', 'tags', 'born'])} FROM people WHERE id = ${2}`)[0], { id: 2, doc: { id: 2 }, tags: ['a', 'b'], born: new Date('2000-01-02') });
    same((await sql`UPDATE people SET ${sql({ name: 'new' })} WHERE id = ${1}`).count, 1);
    same((await sql`SELECT count(*) AS n FROM people WHERE id = ANY(${[1, 2]}) AND name = ${'new'}`)[0].n, '1');
    same((await sql`DELETE FROM people WHERE id > ${1}`).count, 2);
  },

  async describes() {
    const d = await sql`SELECT id, name FROM people WHERE id = ${1}`.describe();
    same(d.types, [23]);
    same(d.columns.map((c) => [c.name, c.type]), [['id', 23], ['name', 25]]);
  },

  async transactions() {
    await sql`CREATE TABLE tx (id int PRIMARY KEY)`;
    await sql.begin(async (t) => {
      await t`INSERT INTO tx VALUES (1)`;
      same((await t`SELECT count(*)::int AS n FROM tx`)[0].n, 1);
      await t.savepoint(async (s) => { await s`INSERT INTO tx VALUES (2)`; throw new Error('undo'); }).catch(() => {});
      await t.savepoint((s) => s`INSERT INTO tx VALUES (3)`);
    });
    same((await sql`SELECT id FROM tx ORDER BY id`).map((r) => r.id), [1, 3]);
    await sql.begin('isolation level serializable read only', async (t) => same((await t`SHOW transaction_read_only`)[0].transaction_read_only, 'on'));
  },

  async cursors_and_for_each() {
    let sum = 0;
    await sql`SELECT i FROM generate_series(1, 100) AS g(i)`.cursor(7, (rows) => { for (const r of rows) sum += r.i; });
    same(sum, 5050);
    for await (const rows of sql`SELECT i FROM generate_series(1, 100) AS g(i)`.cursor(30)) sum -= rows.reduce((n, r) => n + r.i, 0);
    same(sum, 0);
  },

  async copies() {
    const { pipeline } = require('node:stream/promises');
    const { Readable } = require('node:stream');
    await sql`CREATE TABLE copied (id int PRIMARY KEY, v text)`;
    await pipeline(Readable.from(['1\tone\n', '2\ttwo\n']), await sql`COPY copied FROM STDIN`.writable());
    let text = '';
    for await (const chunk of await sql`COPY (SELECT * FROM copied ORDER BY id) TO STDOUT`.readable()) text += chunk;
    same(text, '1\tone\n2\ttwo\n');
  },

  async cancels() {
    const q = sql`SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 100000) c`;
    setTimeout(() => q.cancel(), 300);
    await raises('57014', q);
  },

  async listens() {
    let heard;
    const got = new Promise((resolve) => { heard = resolve; });
    await sql.listen('news', heard);
    await sql.notify('news', 'hello');
    same(await got, 'hello');
  },

  async pipelines_of_one_connection() {
    const got = await Promise.all(Array.from({ length: 200 }, (_, i) => sql`SELECT ${i}::int AS i`));
    same(got.map((r) => r[0].i), Array.from({ length: 200 }, (_, i) => i));
  },

  async errors() {
    await raises('42P01', sql`SELECT * FROM nosuch`);
    await raises('22012', sql`SELECT 1/0`);
  },
});
