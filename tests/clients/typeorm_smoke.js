// TypeORM against a server: node typeorm_smoke.js host port. Synchronize, repositories, transactions, migrations, views.
require('reflect-metadata');
const { DataSource, EntitySchema, In, MoreThan } = require('typeorm');
const { host, port, user, database, run, same, assert } = require('./steps');

const Reading = new EntitySchema({
  name: 'Reading', tableName: 'reading',
  columns: {
    id: { type: 'int', primary: true }, name: { type: 'varchar', length: 40 }, value: { type: 'numeric', precision: 10, scale: 2, nullable: true },
    at: { type: 'timestamptz', nullable: true }, doc: { type: 'jsonb', nullable: true }, tags: { type: 'text', array: true, nullable: true },
  },
});
const Person = new EntitySchema({
  name: 'Person', tableName: 'person',
  columns: { id: { type: 'int', primary: true, generated: true }, name: { type: 'varchar', unique: true }, created: { type: 'timestamptz', createDate: true } },
  relations: { pets: { type: 'one-to-many', target: 'Pet', inverseSide: 'owner', cascade: true } },
});
const Pet = new EntitySchema({
  name: 'Pet', tableName: 'pet',
  columns: { id: { type: 'uuid', primary: true, generated: 'uuid' }, name: { type: 'varchar' } },
  relations: { owner: { type: 'many-to-one', target: 'Person', inverseSide: 'pets', onDelete: 'CASCADE' } },
});

const source = (entities, more = {}) => new DataSource({ type: 'postgres', host, port, username: user, database, entities, ...more });
async function opened(entities, more, f) {
  const s = await source(entities, more).initialize();
  try { return await f(s); } finally { await s.destroy(); }
}

class First1700000000001 {
  async up(q) { await q.query('CREATE TABLE migrated (id int PRIMARY KEY, v text)'); }
  async down(q) { await q.query('DROP TABLE migrated'); }
}

run({
  async connects() {
    await opened([], {}, async (s) => same(await s.query('SELECT $1::int + 1 AS n', [41]), [{ n: 42 }]));
  },

  async synchronizes_a_plain_table() {
    await opened([Reading], { synchronize: true }, async (s) => same(await s.getRepository('Reading').count(), 0));
    await opened([Reading], { synchronize: true }, async () => {}); // the second time there is nothing to change
    await opened([Reading], {}, async (s) => same((await s.driver.createSchemaBuilder().log()).upQueries, []));
  },

  async repository_of_a_plain_table() {
    await opened([Reading], {}, async (s) => {
      // the table by hand, in case that synchronize could not make it
      await s.query('CREATE TABLE IF NOT EXISTS reading (id int PRIMARY KEY, name varchar(40) NOT NULL, value numeric(10,2), at timestamptz, doc jsonb, tags text[])');
      const r = s.getRepository('Reading');
      const at = new Date('2024-01-02T03:04:05Z');
      await r.save([1, 2, 3, 4].map((id) => ({ id, name: `n${id % 2}`, value: `${id}.50`, at, doc: { id }, tags: ['a'] })));
      same(await r.findOneBy({ id: 2 }), { id: 2, name: 'n0', value: '2.50', at, doc: { id: 2 }, tags: ['a'] });
      await r.save({ id: 2, name: 'changed' });
      same((await r.find({ where: { name: 'changed' } })).map((x) => x.id), [2]);
      same((await r.findAndCount({ where: { id: MoreThan(1) }, order: { id: 'DESC' }, take: 2, skip: 1 })).map((x) => x.length ?? x), [2, 3]);
      same((await r.update({ id: In([1, 3]) }, { name: 'odd' })).affected, 2);
      same(await r.createQueryBuilder('r').select('r.name', 'name').addSelect('COUNT(*)', 'n').groupBy('r.name').orderBy('r.name').getRawMany(),
        [{ name: 'changed', n: '1' }, { name: 'n0', n: '1' }, { name: 'odd', n: '2' }]);
      await r.remove(await r.findOneBy({ id: 4 }));
      same((await r.delete({ id: 3 })).affected, 1);
      same(await r.sum('id'), 3);
    });
  },

  async upserts() {
    await opened([Reading], {}, async (s) => {
      await s.getRepository('Reading').upsert({ id: 1, name: 'upserted' }, ['id']);
      same((await s.getRepository('Reading').findOneBy({ id: 1 })).name, 'upserted');
    });
  },

  async transactions() {
    await opened([Reading], {}, async (s) => {
      await s.transaction(async (m) => {
        await m.insert('Reading', { id: 100, name: 'tx' });
        same(await m.countBy('Reading', { id: 100 }), 1);
        await m.transaction(async (n) => { await n.insert('Reading', { id: 101, name: 'no' }); throw new Error('undo'); }).catch(() => {});
      });
      same((await s.getRepository('Reading').find({ where: { id: MoreThan(99) } })).map((x) => x.id), [100]);
    });
  },

  async synchronizes_relations() {
    await opened([Person, Pet], { synchronize: true }, async (s) => {
      const ann = await s.getRepository('Person').save({ name: 'ann', pets: [{ name: 'rex' }, { name: 'tom' }] });
      assert(ann.id > 0);
      const [loaded] = await s.getRepository('Person').find({ relations: { pets: true } });
      same(loaded.pets.map((p) => p.name).sort(), ['rex', 'tom']);
      same(await s.getRepository('Pet').countBy({ owner: { id: ann.id } }), 2);
    });
  },

  async synchronizes_changes() {
    const changed = new EntitySchema({
      name: 'Reading', tableName: 'reading',
      columns: { ...Reading.options.columns, note: { type: 'varchar', default: 'none' }, extra: { type: 'int', nullable: true } },
    });
    await opened([changed], { synchronize: true }, async (s) => same((await s.getRepository('Reading').findOneBy({ id: 1 })).note, 'none'));
  },

  async enums() {
    const member = (values) => new EntitySchema({
      name: 'Member', tableName: 'member',
      columns: {
        id: { type: 'int', primary: true }, role: { type: 'enum', enum: values, default: 'user' },
        roles: { type: 'enum', enum: values, array: true, nullable: true },
      },
    });
    await opened([member(['user', 'admin'])], { synchronize: true }, async (s) => {
      const r = s.getRepository('Member');
      await r.save([{ id: 1, role: 'admin', roles: ['user', 'admin'] }, { id: 2 }]);
      same(await r.find({ where: { role: 'admin' } }), [{ id: 1, role: 'admin', roles: ['user', 'admin'] }]);
      same((await r.findOneBy({ id: 2 })).role, 'user');
    });
    await opened([member(['user', 'admin'])], {}, async (s) => same((await s.driver.createSchemaBuilder().log()).upQueries, []));
    await opened([member(['user', 'admin', 'guest'])], { synchronize: true }, async (s) => {
      await s.getRepository('Member').save({ id: 3, role: 'guest' });
      same((await s.getRepository('Member').find({ order: { role: 'ASC' } })).map((m) => m.role), ['user', 'admin', 'guest']);
    });
  },

  async migrates() {
    const more = { migrations: [First1700000000001] };
    await opened([], more, async (s) => {
      same((await s.runMigrations()).length, 1);
      same(await s.showMigrations(), false);
      same(await s.query('SELECT count(*) AS n FROM migrated'), [{ n: '0' }]);
      await s.undoLastMigration();
    });
  },

  async drops_the_schema() {
    await opened([Reading], {}, async (s) => {
      await s.dropDatabase();
      same(await s.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"), []);
    });
  },
});
