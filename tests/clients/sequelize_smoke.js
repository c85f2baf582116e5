// Sequelize against a server: node sequelize_smoke.js host port. Sync, models, associations, transactions, the query interface.
const { Sequelize, DataTypes, Op } = require('sequelize');
const { host, port, user, database, run, raises, same, assert } = require('./steps');

const db = new Sequelize(database, user, '', { host, port, dialect: 'postgres', logging: false });
const Reading = db.define('reading', {
  id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: false },
  name: { type: DataTypes.STRING(40), allowNull: false }, value: DataTypes.DECIMAL(10, 2), at: DataTypes.DATE, doc: DataTypes.JSONB, tags: DataTypes.ARRAY(DataTypes.TEXT), ok: DataTypes.BOOLEAN,
}, { timestamps: false });
const Person = db.define('person', { name: { type: DataTypes.STRING, unique: true } });
const Pet = db.define('pet', { name: DataTypes.STRING }, { indexes: [{ fields: ['name'] }] });
Person.hasMany(Pet, { onDelete: 'CASCADE' });
Pet.belongsTo(Person);
const Mood = db.define('mood', { id: { type: DataTypes.INTEGER, primaryKey: true }, mood: DataTypes.ENUM('good', 'bad') });
const at = new Date('2024-01-02T03:04:05Z');

run({
  async authenticates() {
    await db.authenticate();
    assert(/^1[4-9]\./.test(await db.databaseVersion()), await db.databaseVersion());
    same((await db.query('SELECT :n::int + 1 AS n', { replacements: { n: 41 }, type: 'SELECT' })), [{ n: 42 }]);
  },

  async syncs_a_plain_table() {
    await Reading.sync();
    await Reading.sync(); // the second time it is there
    same(await db.getQueryInterface().tableExists('readings'), true);
  },

  async crud() {
    await Reading.bulkCreate([1, 2, 3, 4].map((id) => ({ id, name: `n${id % 2}`, value: id / 4, at, doc: { id }, tags: ['a', 'b'], ok: id > 2 })));
    const one = await Reading.findByPk(2);
    same(one.get({ plain: true }), { id: 2, name: 'n0', value: '0.50', at, doc: { id: 2 }, tags: ['a', 'b'], ok: false });
    one.name = 'changed';
    await one.save();
    same((await Reading.findAll({ where: { name: { [Op.like]: 'cha%' } } })).map((r) => r.id), [2]);
    same(await Reading.update({ name: 'odd' }, { where: { id: [1, 3] } }), [2]);
    same((await Reading.findAndCountAll({ where: { id: { [Op.gt]: 1 } }, order: [['id', 'DESC']], limit: 2 })).count, 3);
    same((await Reading.findAll({ attributes: ['name', [db.fn('count', db.col('id')), 'n']], group: 'name', order: ['name'], raw: true })).map((r) => [r.name, r.n]), [['changed', '1'], ['n0', '1'], ['odd', '2']]);
    same((await Reading.findAll({ where: { 'doc.id': 3 } })).length, 1);
    same(await Reading.sum('value'), 2.5);
    same(await Reading.destroy({ where: { id: 4 } }), 1);
    same((await Reading.create({ id: 9, name: 'created' })).value ?? null, null);
    same(await Reading.increment('value', { by: 1, where: { id: 1 } }).then(() => Reading.findByPk(1)).then((r) => r.value), '1.25');
  },

  async upserts() {
    await Reading.upsert({ id: 1, name: 'upserted' });
    same((await Reading.findByPk(1)).name, 'upserted');
    await Reading.bulkCreate([{ id: 1, name: 'again' }], { updateOnDuplicate: ['name'] });
    same((await Reading.findByPk(1)).name, 'again');
  },

  async transactions() {
    await db.transaction(async (t) => {
      await Reading.create({ id: 100, name: 'tx' }, { transaction: t });
      same(await Reading.count({ where: { id: 100 }, transaction: t }), 1);
      await db.transaction({ transaction: t }, async (s) => { await Reading.create({ id: 101, name: 'no' }, { transaction: s }); throw new Error('undo'); }).catch(() => {});
    });
    same((await Reading.findAll({ where: { id: { [Op.gte]: 100 } } })).map((r) => r.id), [100]);
    await db.transaction({ isolationLevel: Sequelize.Transaction.ISOLATION_LEVELS.SERIALIZABLE }, async (t) => {
      same((await db.query('SHOW transaction_isolation', { transaction: t, type: 'SELECT' }))[0].transaction_isolation, 'serializable');
    });
  },

  async syncs_associations() {
    await Person.sync();
    await Pet.sync();
    const ann = await Person.create({ name: 'ann', pets: [{ name: 'rex' }, { name: 'tom' }] }, { include: Pet });
    assert(ann.id > 0);
    same((await Person.findOne({ include: Pet, order: [[Pet, 'name', 'ASC']] })).pets.map((p) => p.name), ['rex', 'tom']);
    same((await Person.findOrCreate({ where: { name: 'bob' } }))[1], true);
    await assert.rejects(Person.create({ name: 'ann' }), { name: 'SequelizeUniqueConstraintError' });
    await ann.destroy();
    same(await Pet.count(), 0);
  },

  async enums() {
    await Mood.sync();
    await Mood.create({ id: 1, mood: 'good' });
    same((await Mood.findByPk(1)).mood, 'good');
  },

  async alters() {
    await Reading.sync({ alter: true });
    const q = db.getQueryInterface();
    await q.addColumn('readings', 'note', { type: DataTypes.STRING, defaultValue: 'none' });
    await q.renameColumn('readings', 'note', 'remark');
    same(Object.keys(await q.describeTable('readings')).includes('remark'), true);
    await q.removeColumn('readings', 'remark');
  },

  async describes() {
    const d = await db.getQueryInterface().describeTable('readings');
    same(Object.keys(d), ['id', 'name', 'value', 'at', 'doc', 'tags', 'ok']);
    same([d.id.primaryKey, d.id.type, d.name.allowNull, d.name.type, d.value.type], [true, 'INTEGER', false, 'CHARACTER VARYING(40)', 'NUMERIC']);
    assert((await db.getQueryInterface().showAllTables()).includes('readings'));
    same((await db.getQueryInterface().showIndex('readings')).map((i) => [i.primary, i.fields.map((f) => f.attribute)]), [[true, ['id']]]);
  },

  async errors() {
    await raises('42P01', db.query('SELECT * FROM nosuch'));
    await assert.rejects(Reading.create({ id: 5, name: null }), { name: 'SequelizeValidationError' });
  },

  async drops() {
    await db.drop({ cascade: true });
    same(await db.getQueryInterface().tableExists('readings'), false);
  },
});
