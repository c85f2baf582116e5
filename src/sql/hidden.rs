//! The columns that the log adds to every event (`_position`, `_offset`, `_time`) are there for a query that names them, and are
//! left out of `*`, as PostgreSQL does with its system columns. Those (`xmin`, `ctid` ..) are made of them, of a table's rows too.
//!
//! DataFusion has no hidden columns. So a query is planned over relations without them, unless it mentions one of the
//! names; then they are there, and each `*` over such a relation is told to exclude them.

use std::ops::{BitOr, ControlFlow};

use sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    TableFactor, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::convert::relation_name;
use super::fold_name;
use crate::catalog::Name;
use crate::data::{OFFSET, POSITION, TIME};

/// The hidden columns, in the order in which the log adds them.
pub const HIDDEN: [&str; 3] = [POSITION, OFFSET, TIME];
/// The system column that says where a row is.
const CTID: &str = "ctid";
/// PostgreSQL's system columns that are made of hidden ones (manual, chapter 5.5).
pub const SYSTEM: [&str; 5] = ["xmin", CTID, "xmax", "cmin", "cmax"];

/// The hidden columns that a query mentions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mentioned {
    /// Those of events, by their own names.
    pub events: bool,
    /// PostgreSQL's system columns.
    pub system: bool,
    /// The one among these that says where a row is.
    pub places: bool,
}

impl Mentioned {
    /// True if it mentions any.
    pub fn any(self) -> bool {
        self.events || self.system
    }
}

impl BitOr for Mentioned {
    type Output = Mentioned;
    fn bitor(self, other: Mentioned) -> Mentioned {
        Mentioned { events: self.events || other.events, system: self.system || other.system, places: self.places || other.places }
    }
}

/// The hidden columns that a relation shows, by its name, to a query that mentions these.
pub type Shown<'a> = &'a dyn Fn(&Name, Mentioned) -> Vec<String>;

/// If `query` mentions hidden columns: excludes those that relations show from each `*`. Answers which it mentions.
pub fn expose(query: &mut Query, shown: Shown<'_>) -> Mentioned {
    let mentioned = mentioned(query);
    if mentioned.any() {
        let _ = VisitMut::visit(query, &mut Exclude { shown, mentioned });
    }
    mentioned
}

/// The hidden columns that something mentions.
pub fn mentioned(of: &mut impl VisitMut) -> Mentioned {
    let mut seen = Mentions(Mentioned::default());
    let _ = VisitMut::visit(of, &mut seen);
    seen.0
}

struct Mentions(Mentioned);

impl VisitorMut for Mentions {
    type Break = ();
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let name = match expr {
            Expr::Identifier(ident) => ident,
            Expr::CompoundIdentifier(parts) => match parts.last() {
                Some(ident) => ident,
                None => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        self.0.events |= HIDDEN.contains(&name.value.as_str());
        let folded = fold_name(name);
        self.0.system |= SYSTEM.contains(&folded.as_str());
        self.0.places |= folded == CTID;
        ControlFlow::Continue(())
    }
}

struct Exclude<'a> {
    shown: Shown<'a>,
    mentioned: Mentioned,
}

/// A relation of FROM.
struct Table {
    /// What its columns are called by.
    name: Ident,
    /// Its hidden columns.
    hidden: Vec<String>,
}

impl Exclude<'_> {
    /// What FROM names, as far as that has names; and whether all of it has.
    fn tables(&self, select: &Select) -> (Vec<Table>, bool) {
        let factors = select.from.iter().flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation)));
        let all: Vec<Option<Table>> = factors.map(|factor| self.table(factor)).collect();
        let named = all.iter().all(Option::is_some);
        (all.into_iter().flatten().collect(), named)
    }

    fn table(&self, factor: &TableFactor) -> Option<Table> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let hidden = relation_name(name).map_or(vec![], |name| (self.shown)(&name, self.mentioned));
                let name = alias.as_ref().map(|a| a.name.clone()).or_else(|| name.0.last()?.as_ident().cloned())?;
                Some(Table { name, hidden })
            }
            TableFactor::Derived { alias: Some(alias), .. } => Some(Table { name: alias.name.clone(), hidden: vec![] }),
            _ => None,
        }
    }
}

impl VisitorMut for Exclude<'_> {
    type Break = ();
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let (tables, named) = self.tables(select);
        if tables.iter().all(|table| table.hidden.is_empty()) {
            return ControlFlow::Continue(());
        }
        // A name that several tables have cannot be excluded from what is theirs together.
        let several = tables.iter().filter(|table| !table.hidden.is_empty()).count() > 1;
        if several && named && !shares_columns(select) {
            spell_out(&mut select.projection, &tables);
        }
        for item in &mut select.projection {
            match item {
                SelectItem::Wildcard(options) => exclude(options, tables.iter().flat_map(|table| &table.hidden)),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(of), options) => {
                    let Some(of) = of.0.last().and_then(|part| part.as_ident()).map(fold_name) else { continue };
                    exclude(options, tables.iter().filter(|table| fold_name(&table.name) == of).flat_map(|table| &table.hidden));
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

/// True for joins of which `*` has a column once that both sides have.
fn shares_columns(select: &Select) -> bool {
    use JoinOperator as J;
    let constraint = |join: &JoinOperator| match join {
        J::Join(c) | J::Inner(c) | J::Left(c) | J::LeftOuter(c) | J::Right(c) | J::RightOuter(c) | J::FullOuter(c) => {
            matches!(c, JoinConstraint::Using(_) | JoinConstraint::Natural)
        }
        _ => false,
    };
    select.from.iter().flat_map(|table| &table.joins).any(|join| constraint(&join.join_operator))
}

/// Puts `a.*, b.*` in the place of `*`.
fn spell_out(items: &mut Vec<SelectItem>, tables: &[Table]) {
    let of = |table: &Table, options: &WildcardAdditionalOptions| {
        let name = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![table.name.clone()]));
        SelectItem::QualifiedWildcard(name, options.clone())
    };
    let spelled = std::mem::take(items).into_iter().flat_map(|item| match item {
        SelectItem::Wildcard(options) => tables.iter().map(|table| of(table, &options)).collect(),
        other => vec![other],
    });
    *items = spelled.collect();
}

fn exclude<'a>(options: &mut WildcardAdditionalOptions, columns: impl Iterator<Item = &'a String>) {
    let mut names: Vec<&String> = Vec::new();
    for column in columns {
        if !names.contains(&column) {
            names.push(column);
        }
    }
    if options.opt_exclude.is_none() && !names.is_empty() {
        let names = names.into_iter().map(|name| ObjectName::from(vec![Ident::new(name)])).collect();
        options.opt_exclude = Some(ExcludeSelectItem::Multiple(names));
    }
}
