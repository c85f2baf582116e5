// Knex against a server: node knex_smoke.js host port. The query builder, the schema builder and migrations.
const { host, port, user, database, run, raises, same } = require('./steps');

const knex = require('knex')({ client: 'pg', connection: { host, port, user, database } });

/** Migrations in memory, in Knex's way of a source. */
const source = {
  getMigrations: async () => ['001_readings', '002_people', '003_alter'],
  getMigrationName: (name) => name,
  getMigration: async (name) => ({
    '001_readings': {
      up: (k) => k.schema.createTable('readings', (t) => { t.integer('id').primary(); t.string('name', 40).notNullable(); t.decimal('value', 10, 2); t.timestamp('at'); t.jsonb('doc'); }),
      down: (k) => k.schema.dropTable('readings'),
    },
    '002_people': {
      up: (k) => k.schema
        .createTable('people', (t) => { t.increments('id'); t.string('name').unique(); t.timestamps(true, true); })
        .createTable('pets', (t) => { t.increments('id'); t.integer('owner').references('people.id').onDelete('CASCADE'); t.string('name').index(); }),
      down: (k) => k.schema.dropTable('pets').dropTable('people'),
    },
    '003_alter': {
      up: (k) => k.schema.alterTable('readings', (t) => { t.string('note').defaultTo('none'); t.renameColumn('name', 'label'); }),
      down: (k) => k.schema.alterTable('readings', (t) => { t.dropColumn('note'); t.renameColumn('label', 'name'); }),
    },
  })[name],
};
const migrate = (f, ...more) => knex.migrate[f]({ migrationSource: source, ...more[0] });

run({
  async raw() {
    same((await knex.raw('SELECT ?::int + 1 AS n', [41])).rows, [{ n: 42 }]);
  },

  async builds_a_table() {
    await knex.schema.createTable('plain', (t) => { t.integer('id').primary(); t.text('name'); t.decimal('value', 10, 2); t.timestamp('at', { useTz: true }); t.boolean('ok'); });
    same(await knex.schema.hasTable('plain'), true);
    same(await knex.schema.hasColumn('plain', 'value'), true);
    same(Object.keys(await knex('plain').columnInfo()), ['id', 'name', 'value', 'at', 'ok']);
    same((await knex('plain').columnInfo()).name, { type: 'text', maxLength: null, nullable: true, defaultValue: null });
  },

  async crud() {
    await knex('plain').insert([1, 2, 3, 4].map((id) => ({ id, name: `n${id % 2}`, value: id / 4, at: new Date(0), ok: id > 2 })));
    same(await knex('plain').where('id', '>', 2).orderBy('id').pluck('id'), [3, 4]);
    same(await knex('plain').where({ name: 'n1' }).update({ name: 'odd' }), 2);
    same(await knex('plain').insert({ id: 5, name: 'x' }).returning(['id', 'ok']), [{ id: 5, ok: null }]);
    same(await knex('plain').where('id', 5).del(), 1);
    same(await knex('plain').select('name').count('* as n').sum('value as s').groupBy('name').orderBy('name'), [{ name: 'n0', n: '2', s: '1.50' }, { name: 'odd', n: '2', s: '1.00' }]);
    same(await knex('plain').whereIn('id', [1, 2]).andWhereRaw('name LIKE ?', ['o%']).first('id'), { id: 1 });
    same((await knex('plain').join('plain as p', 'p.id', 'plain.id').limit(1).offset(1).orderBy('plain.id').select('p.id'))[0].id, 2);
  },

  async upserts() {
    await knex('plain').insert({ id: 1, name: 'merged' }).onConflict('id').merge();
    await knex('plain').insert({ id: 1, name: 'ignored' }).onConflict('id').ignore();
    same((await knex('plain').where('id', 1).first()).name, 'merged');
  },

  async transactions() {
    await knex.transaction(async (t) => {
      await t('plain').insert({ id: 100, name: 'tx' });
      same((await t('plain').where('id', 100).first()).name, 'tx');
      await t.transaction(async (s) => { await s('plain').insert({ id: 101 }); throw new Error('undo'); }).catch(() => {});
    });
    same(await knex('plain').where('id', '>=', 100).pluck('id'), [100]);
    await raises('22012', knex.transaction((t) => t.raw('SELECT 1/0')));
  },

  async streams_rows() {
    let n = 0;
    for await (const row of knex('plain').select('id').stream()) n += row.id > 0;
    same(n > 0, true);
  },

  async migrates_the_first() {
    await migrate('up');
    same(await knex.schema.hasTable('readings'), true);
  },

  async migrates_the_rest() {
    const [batch, names] = await migrate('latest');
    same(names.slice(-2), ['002_people', '003_alter']);
    same(batch >= 1, true);
    const [id] = await knex('people').insert({ name: 'ann' }).returning('id');
    await knex('pets').insert({ owner: id.id, name: 'rex' });
    same((await knex('people').join('pets', 'pets.owner', 'people.id').first('pets.name')).name, 'rex');
    await knex('readings').insert({ id: 1, label: 'x' });
    same((await knex('readings').first()).note, 'none');
  },

  async migrates_back() {
    await migrate('rollback', {}, true);
    await knex.migrate.rollback({ migrationSource: source }, true);
    same(await knex.schema.hasTable('readings'), false);
  },

  async drops() {
    await knex.schema.dropTableIfExists('plain');
    same(await knex.schema.hasTable('plain'), false);
  },
});
