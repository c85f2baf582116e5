//! Draws a case step by step, performing each as it is drawn.

use everfold::data::PgType;

use super::grammar::{Grammar, Source};
use super::steps::{Relation, Step, Verdict, World, tuple};
use super::values::{Class, DOMAINS, MOOD, Taste, class, column_type, key_type, literal, value};
use crate::laws::database::Row;
use crate::support::random::Random;

/// A relation with the types of its columns.
#[derive(Clone, Debug)]
struct Base {
    relation: Relation,
    types: Vec<PgType>,
}

/// A case being drawn.
pub struct Case {
    random: Random,
    taste: Taste,
    pub world: World,
    pub steps: Vec<Step>,
    bases: Vec<Base>,
    sources: Vec<Source>,
    views: usize,
    plain_views: usize,
}

impl Case {
    /// The case of a seed, not begun.
    pub fn new(seed: u64, taste: Taste, world: World) -> Case {
        let mut random = Random::new(seed);
        let taste = Taste { wild: taste.wild && random.chance(30), ..taste };
        Case { random, taste, world, steps: vec![], bases: vec![], sources: vec![], views: 0, plain_views: 0 }
    }

    /// Draws and performs all of it. Errors: what is wrong, if the law is broken; `steps` then are the case.
    pub fn run(&mut self) -> Verdict {
        if self.taste.moods {
            self.then(Step::Change(MOOD.into()))?;
        }
        for (name, base, check) in DOMAINS {
            self.then(Step::Change(format!("CREATE DOMAIN {name} AS {base} {check}")))?;
        }
        for _ in 0..2 + self.random.below(2) {
            self.relation()?;
        }
        for _ in 0..1 + self.random.below(3) {
            self.view()?;
        }
        for _ in 0..3 + self.random.below(5) {
            for _ in 0..1 + self.random.below(3) {
                let step = if self.random.chance(20) { self.transaction() } else { self.change(&mut vec![]) };
                self.then(step)?;
            }
            if self.random.chance(10) {
                self.plain_view()?;
            }
            if self.random.chance(50) && self.views < 8 {
                self.view()?;
            }
            self.then(Step::Check)?;
            self.upheaval()?;
        }
        self.again()
    }

    fn then(&mut self, step: Step) -> Verdict {
        self.steps.push(step.clone());
        self.world.perform(&step)
    }

    fn upheaval(&mut self) -> Verdict {
        let step = match self.random.below(100) {
            0..=17 => Step::Checkpoint,
            18..=27 => Step::Restart,
            28..=41 => Step::Kill,
            42..=47 if self.views > 2 => {
                let names: Vec<String> = self.world.views.iter().map(|(name, _)| name.clone()).collect();
                if names.is_empty() {
                    return Ok(());
                }
                Step::Drop(self.random.pick(&names).clone())
            }
            48..=57 => Step::Pass(self.random.between(1, 900)),
            _ => return Ok(()),
        };
        self.then(step)?;
        let catalog = self.world.database().engine.catalog();
        self.sources.retain(|s| catalog.relations().any(|r| r.name == s.name));
        self.then(Step::Check)
    }

    /// Each view once more, created now: what is backfilled equals what was folded event by event.
    fn again(&mut self) -> Verdict {
        if self.random.chance(50) {
            self.then(Step::Checkpoint)?;
        }
        for (name, query) in self.world.views.clone() {
            self.then(Step::View { name: format!("{name}_again"), query })?;
        }
        self.then(Step::Check)?;
        self.then(Step::Restart)?;
        self.then(Step::Check)
    }

    // Relations and views ----------------------------------------------------------------------------------------------------

    fn relation(&mut self) -> Verdict {
        let (stream, key) = match self.random.below(3) {
            0 => (true, 0),
            1 => (false, 0),
            _ => (false, 1 + self.random.below(2)),
        };
        let mut types: Vec<PgType> = (0..key).map(|_| key_type(&mut self.random, self.taste)).collect();
        types.extend((0..2 + self.random.below(4)).map(|_| column_type(&mut self.random, self.taste)));
        let columns: Vec<(String, PgType)> = types.iter().enumerate().map(|(i, ty)| (format!("x{i}"), ty.clone())).collect();
        let name = format!("{}{}", if stream { "s" } else { "t" }, self.bases.len());
        let named = columns.iter().map(|(name, ty)| (name.clone(), self.declared(ty))).collect();
        let relation = Relation { name: name.clone(), stream, columns: named, key };
        self.bases.push(Base { relation: relation.clone(), types });
        self.sources.push(Source { name, columns, stream });
        self.then(Step::Relation(relation))
    }

    /// How a column's type is written: some by a domain over it.
    fn declared(&mut self, ty: &PgType) -> String {
        let domain = DOMAINS.iter().find(|(_, base, _)| base == ty).filter(|_| self.random.chance(15));
        domain.map_or_else(|| ty.to_string(), |(name, ..)| name.to_string())
    }

    fn grammar(&mut self) -> Grammar<'_> {
        let database = self.world.database.as_mut().expect("the database is open");
        Grammar::new(&mut self.random, database, self.taste, &self.sources)
    }

    fn view(&mut self) -> Verdict {
        let overflowing = if self.random.chance(4) { self.grammar().overflowing() } else { None };
        // What has failed is read by no other view, which might not ask for what fails.
        let is_read = overflowing.is_none();
        let Ok(query) = overflowing.map_or_else(|| self.grammar().query(1), Ok) else { return Ok(()) };
        let name = format!("v{}", self.views);
        self.views += 1;
        self.then(Step::View { name: name.clone(), query })?;
        if is_read && self.world.views.iter().any(|(n, _)| *n == name) {
            self.source(name);
        }
        Ok(())
    }

    /// A view that is kept nowhere, for others to read.
    fn plain_view(&mut self) -> Verdict {
        let Ok(query) = self.grammar().query(1) else { return Ok(()) };
        // A query would have another time than the views that it is compared with.
        if query.contains("now()") {
            return Ok(());
        }
        let name = format!("p{}", self.plain_views);
        self.plain_views += 1;
        self.then(Step::Plain { name: name.clone(), query })?;
        self.source(name);
        Ok(())
    }

    /// Lets queries read a view, if it is there.
    fn source(&mut self, name: String) {
        if let Ok(columns) = self.world.database().describe(&format!("SELECT * FROM {name}")) {
            let columns = columns.into_iter().map(|c| (c.name, c.ty)).collect();
            self.sources.push(Source { name, columns, stream: false });
        }
    }

    // Changes ------------------------------------------------------------------------------------------------------------------

    fn row(&mut self, base: &Base) -> Row {
        let mut row = Row::new();
        for (i, ty) in base.types.iter().enumerate() {
            let null = i >= base.relation.key && self.random.chance(15);
            row.push((!null).then(|| value(&mut self.random, ty, self.taste)));
        }
        row
    }

    /// One change; `touched` are the relations that this transaction has changed already, which it cannot read.
    fn change(&mut self, touched: &mut Vec<String>) -> Step {
        let base = self.random.pick(&self.bases).clone();
        if base.relation.key == 0
            && self.random.chance(6)
            && let Some(sql) = self.copied(&base, touched)
        {
            touched.push(base.relation.name);
            return Step::Change(sql);
        }
        let first = !touched.contains(&base.relation.name);
        touched.push(base.relation.name.clone());
        if first && !base.relation.stream && self.random.chance(40) {
            return Step::Change(self.update_or_delete(&base));
        }
        let rows = if self.random.chance(85) { 1 + self.random.below(8) } else { self.random.below(60) };
        let rows = (0..rows).map(|_| self.row(&base)).collect();
        Step::Insert { relation: base.relation, rows, copy: self.random.chance(30) }
    }

    /// Rows of a relation that this transaction has not changed, as rows of one without a key.
    fn copied(&mut self, base: &Base, touched: &[String]) -> Option<String> {
        let from = self.random.pick(&self.bases).clone();
        if touched.contains(&from.relation.name) {
            return None;
        }
        let mut values = Vec::new();
        for ty in &base.types {
            let fitting: Vec<usize> = (0..from.types.len()).filter(|i| from.types[*i] == *ty).collect();
            values.push(match fitting.is_empty() {
                true => literal(&mut self.random, ty, self.taste),
                false => format!("x{}", self.random.pick(&fitting)),
            });
        }
        Some(format!(
            "INSERT INTO {} SELECT {} FROM {} WHERE {}",
            base.relation.name,
            values.join(", "),
            from.relation.name,
            self.test(&from)
        ))
    }

    fn update_or_delete(&mut self, base: &Base) -> String {
        let name = &base.relation.name;
        if base.relation.key > 0 && self.random.chance(8) {
            return self.another_key(base);
        }
        if base.relation.key > 0 && self.random.chance(12) {
            return self.on_conflict(base);
        }
        if self.random.chance(3) {
            return format!("TRUNCATE {name}");
        }
        let test = self.test(base);
        if self.random.chance(45) || base.types.len() == base.relation.key {
            return format!("DELETE FROM {name} WHERE {test}");
        }
        let column = base.relation.key + self.random.below(base.types.len() - base.relation.key);
        let ty = &base.types[column];
        let value = match class(ty) {
            Class::Int if self.random.chance(50) && !self.taste.wild => format!("(x{column} + 1) % 10"),
            _ if self.random.chance(15) => "NULL".into(),
            _ => literal(&mut self.random, ty, self.taste),
        };
        format!("UPDATE {name} SET x{column} = {value} WHERE {test}")
    }

    /// A row takes another key, if no other row has it.
    fn another_key(&mut self, base: &Base) -> String {
        let tame = Taste { wild: false, ..self.taste };
        let types = &base.types[..base.relation.key];
        let new = literal(&mut self.random, &types[0], tame);
        let old: Vec<String> = types.iter().enumerate().map(|(i, ty)| format!("x{i} = {}", literal(&mut self.random, ty, tame))).collect();
        format!("UPDATE {} SET x0 = {new} WHERE {}", base.relation.name, old.join(" AND "))
    }

    /// A row that comes, or else changes the one that has its key.
    fn on_conflict(&mut self, base: &Base) -> String {
        let (name, keys, columns) = (&base.relation.name, base.relation.key, base.types.len());
        let row = tuple(&self.row(base));
        let key: Vec<String> = (0..keys).map(|i| format!("x{i}")).collect();
        let action = if columns == keys || self.random.chance(30) {
            "NOTHING".to_string()
        } else {
            let column = keys + self.random.below(columns - keys);
            let test = *self.random.pick(&["", " WHERE $ IS NULL", " WHERE $ IS NOT NULL"]);
            format!("UPDATE SET x{column} = excluded.x{column}{}", test.replace('$', &format!("{name}.x{column}")))
        };
        format!("INSERT INTO {name} VALUES {row} ON CONFLICT ({}) DO {action}", key.join(", "))
    }

    fn test(&mut self, base: &Base) -> String {
        let column = self.random.below(base.types.len());
        let ty = &base.types[column];
        match class(ty) {
            Class::Bool | Class::Other => format!("x{column} IS {}NULL", self.random.pick(&["", "NOT "])),
            _ => {
                let operator = *self.random.pick(&["=", "<", ">=", "<>"]);
                format!("x{column} {operator} {}", literal(&mut self.random, ty, Taste { wild: false, ..self.taste }))
            }
        }
    }

    fn transaction(&mut self) -> Step {
        let mut touched = Vec::new();
        let mut steps: Vec<Step> = (0..1 + self.random.below(4)).map(|_| self.change(&mut touched)).collect();
        if self.random.chance(20) {
            let undone = (0..1 + self.random.below(2)).map(|_| self.change(&mut touched)).collect();
            steps.insert(self.random.below(steps.len() + 1), Step::Undone(undone));
        }
        Step::Transaction { steps, commit: self.random.chance(80) }
    }
}
