//! What is unique in a table: each UNIQUE, and each unique index.
//!
//! Of what is asked about a rule, only the key of a row differs: the values of columns, or what an index computes of them
//! ([`RowKeys`]). Expressions and conditions of indexes are planned once for each definition of the table ([`Session::uniques`]), as a
//! view's are, in UTC; what would come out otherwise another time is refused when the index is made ([`Session::computed`]). A statement
//! computes the keys of the rows that it has put, and looks those up: the table's result keeps its rows by the computed keys too, as it
//! does by the columns of UNIQUE. So the cost is one evaluation and one probe for each row that is changed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::DFSchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Cast, Expr as LogicalExpr, ExprSchemable, LogicalPlan, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::split_conjunction;
use sqlparser::ast;

use super::{about, places, shown};
use crate::catalog::{Index, Indexed, Relation, Rule, Scope};
use crate::data::datetime::style::DateForm;
use crate::data::datetime::{DateOrder, DateStyle, Zone};
use crate::data::encode::Style;
use crate::data::quoting::ident;
use crate::data::{EnumType, PgType};
use crate::engine::dml::change::whole;
use crate::engine::dml::{parsed_query, quoted};
use crate::engine::query::Planned;
use crate::engine::rename::whole_name;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::fold::key_index::{Equality, KeyIndex};
use crate::fold::{Computed, Expr, RowKeys};
use crate::func::cast::{self, PgCast};
use crate::func::zone::InZone;
use crate::plan::names::Names;
use crate::serve::keys;
use crate::serve::provider::RelationProvider;
use crate::serve::system::deparse;
use crate::serve::system::facts::PROCS;
use crate::sql::fold_name;

/// A rule that no two rows of a table have the same key.
pub struct Unique {
    pub name: String,
    pub by: RowKeys,
    /// The parts of its keys that are columns.
    pub columns: BTreeSet<usize>,
    /// The other parts.
    pub expressions: Vec<Expr>,
    /// The parts as errors name them, and their types.
    parts: Vec<(String, PgType)>,
    /// Of a constraint, and not of an index only.
    pub constraint: bool,
}

/// The rules of a table.
pub type Uniques = Arc<[Arc<Unique>]>;

/// What a rule says of rows that break it.
#[derive(Clone, Copy)]
enum Breach {
    /// A statement has put them.
    Put,
    /// They are there when the rule is made.
    There,
}

/// What an expression over one row is for, as errors call it.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::engine) enum OneRow {
    Index,
    Predicate,
    Generated,
    Copied,
    PartitionKey,
}

impl OneRow {
    fn name(self) -> &'static str {
        match self {
            OneRow::Index => "index expression",
            OneRow::Predicate => "index predicate",
            OneRow::Generated => "column generation expression",
            OneRow::Copied => "COPY FROM WHERE condition",
            OneRow::PartitionKey => "partition key expression",
        }
    }

    /// 42P17: it may come out otherwise another time.
    pub(in crate::engine) fn not_immutable(self) -> Error {
        let message = match self {
            OneRow::Generated => "generation expression is not immutable".to_string(),
            of_index => format!("functions in {} must be marked IMMUTABLE", of_index.name()),
        };
        Error::new(code::INVALID_OBJECT_DEFINITION, message)
    }
}

/// Expressions over the rows of a relation, planned.
pub(in crate::engine) struct OverRows {
    pub exprs: Vec<Expr>,
    pub types: Vec<PgType>,
}

impl Unique {
    /// The condition of a partial index.
    pub fn predicate(&self) -> Option<&Expr> {
        match &self.by {
            RowKeys::Computed(computed) => computed.predicate.as_ref(),
            RowKeys::Columns(_) => None,
        }
    }

    /// True if it is what ON CONFLICT names by these columns and expressions, for rows of which the condition is true.
    pub fn is_inferred_by(&self, columns: &BTreeSet<usize>, expressions: &[Expr], condition: Option<&Expr>) -> bool {
        let within = |some: &[Expr], all: &[Expr]| some.iter().all(|e| all.contains(e));
        let given: Vec<&Expr> = condition.map(split_conjunction).unwrap_or_default();
        self.columns == *columns
            && within(&self.expressions, expressions)
            && within(expressions, &self.expressions)
            && self.predicate().is_none_or(|predicate| split_conjunction(predicate).iter().all(|part| given.contains(part)))
    }

    fn of_columns(relation: &Relation, name: &str, columns: &[String], constraint: bool) -> Result<Unique> {
        let columns = places(relation, columns)?;
        let part = |c: &usize| (ident(&relation.columns[*c].name), relation.columns[*c].ty.clone());
        let parts = columns.iter().map(part).collect();
        let set = columns.iter().copied().collect();
        Ok(Unique { name: name.to_string(), by: RowKeys::Columns(columns), columns: set, expressions: vec![], parts, constraint })
    }

    /// The rule of a primary key.
    pub fn of_key(relation: &Relation) -> Result<Unique> {
        Unique::of_columns(relation, &relation.key_name(), &super::key_names(relation), true)
    }

    /// Errors: 23505 for two of these rows, in batches, that have the same key.
    fn refuse_twice(&self, relation: &Relation, breach: Breach, batches: &[RecordBatch]) -> Result<()> {
        let mut index = KeyIndex::new(&self.by.types(&relation.schema())?, Equality::Sql)?;
        let mut seen: Vec<bool> = Vec::new();
        for rows in batches {
            let keys = self.by.of(rows)?.keys;
            let mut numbers = Vec::new();
            index.intern(&keys, keys.first().map_or(0, |k| k.len()), &mut numbers, &mut Vec::new())?;
            seen.resize(index.slots(), false);
            for (i, number) in numbers.into_iter().enumerate() {
                if std::mem::replace(&mut seen[number as usize], true) {
                    return Err(self.broken(relation, breach, &keys, i)?);
                }
            }
        }
        Ok(())
    }

    fn broken(&self, relation: &Relation, breach: Breach, keys: &[ArrayRef], at: usize) -> Result<Error> {
        let names: Vec<&str> = self.parts.iter().map(|(name, _)| name.as_str()).collect();
        let values = self.parts.iter().zip(keys).map(|((_, ty), key)| shown(ty, key, at)).collect::<Result<Vec<_>>>()?;
        let key = format!("Key ({})=({})", names.join(", "), values.join(", "));
        let (message, detail) = match breach {
            Breach::Put => (format!("duplicate key value violates unique constraint \"{}\"", self.name), format!("{key} already exists.")),
            Breach::There => (format!("could not create unique index \"{}\"", self.name), format!("{key} is duplicated.")),
        };
        Ok(about(code::UNIQUE_VIOLATION, message, relation, &self.name).detail(detail))
    }
}

impl Session {
    /// The rules of a table besides its primary key: those of constraints, then those of indexes. Cost: a plan for each that computes, the
    /// first time that a definition of the table is met.
    pub(in crate::engine) async fn uniques(&self, relation: &Arc<Relation>) -> Result<Uniques> {
        let known = self.engine.uniques.lock().get(&relation.id).cloned();
        if let Some((_, uniques)) = known.filter(|(of, _)| Arc::ptr_eq(of, relation)) {
            return Ok(uniques);
        }
        let mut uniques = Vec::new();
        for constraint in &relation.constraints {
            if let Rule::Unique(columns) = &constraint.rule {
                uniques.push(Arc::new(Unique::of_columns(relation, &constraint.name, columns, true)?));
            }
        }
        for index in relation.indexes.iter().filter(|index| index.unique) {
            uniques.push(Arc::new(self.unique_of(relation, index).await?));
        }
        let uniques: Uniques = uniques.into();
        self.engine.uniques.lock().insert(relation.id, (relation.clone(), uniques.clone()));
        Ok(uniques)
    }

    /// The rule of a unique index. Errors: those of its expressions, 0A000 for a type that has no order.
    pub(in crate::engine) async fn unique_of(&self, relation: &Arc<Relation>, index: &Index) -> Result<Unique> {
        if let Some(columns) = index.unique_columns() {
            return Unique::of_columns(relation, &index.name, &columns, false);
        }
        let text = |of: &Indexed| match of {
            Indexed::Column(name) => quoted(name),
            Indexed::Expression { sql, .. } => sql.clone(),
        };
        let texts: Vec<String> = index.keys.iter().map(|key| text(&key.of)).chain(index.predicate.clone()).collect();
        let OverRows { mut exprs, types } = self.over_rows(relation, &texts).await?;
        let predicate = index.predicate.as_ref().and_then(|_| exprs.pop());
        let (mut columns, mut expressions, mut parts) = (BTreeSet::new(), Vec::new(), Vec::new());
        for ((key, expr), ty) in index.keys.iter().zip(&exprs).zip(types) {
            match &key.of {
                Indexed::Column(name) => drop(columns.insert(relation.column(name)?)),
                Indexed::Expression { .. } => expressions.push(expr.clone()),
            }
            parts.push((deparse::key(relation, &key.of, deparse::Style::Pretty), ty));
        }
        let by = RowKeys::Computed(Computed { id: index.id, exprs, predicate, nulls_equal: index.nulls_equal });
        KeyIndex::new(&by.types(&relation.schema())?, Equality::Sql)?;
        Ok(Unique { name: index.name.clone(), by, columns, expressions, parts, constraint: false })
    }

    /// Plans expressions over the rows of a relation, which need not be in the catalog as it is. Errors: those of planning; 42803,
    /// 42P20, 0A000 for what is no expression over one row.
    pub(in crate::engine) async fn over_rows(&self, relation: &Arc<Relation>, texts: &[String]) -> Result<OverRows> {
        self.computed_over_rows(relation, texts, OneRow::Index).await
    }

    /// Plans the condition of COPY FROM. Errors: those of planning, 42804.
    pub(in crate::engine) async fn condition_over_rows(&self, relation: &Arc<Relation>, text: &str) -> Result<Expr> {
        let OverRows { mut exprs, types } = self.computed_over_rows(relation, &[format!("({text})")], OneRow::Copied).await?;
        if let Some(ty) = types.first().filter(|ty| !matches!(ty.base(), PgType::Bool | PgType::Unknown)) {
            let message = format!("argument of WHERE must be type boolean, not type {ty}");
            return Err(Error::new(code::DATATYPE_MISMATCH, message));
        }
        exprs.pop().ok_or_else(|| Error::internal("a condition is an expression"))
    }

    async fn computed_over_rows(&self, relation: &Arc<Relation>, texts: &[String], what: OneRow) -> Result<OverRows> {
        let (plan, types) = self.projected(relation, texts, what).await?;
        let LogicalPlan::Projection(projection) = &plan else { return Err(Error::internal("a projection stays one")) };
        let (state, schema) = (self.knowing(self.state()), projection.input.schema());
        let exprs = projection.expr.iter().map(|e| physical(&state, e, schema)).collect::<Result<_>>()?;
        Ok(OverRows { exprs, types })
    }

    /// The analyzed plan of expressions over the rows of a relation, and their types.
    async fn projected(&self, relation: &Arc<Relation>, texts: &[String], what: OneRow) -> Result<(LogicalPlan, Vec<PgType>)> {
        let Planned { plan, columns, .. } = self.plan_over_rows(relation, texts).await?;
        let plan = self.analyzed(plan)?;
        refuse_beyond_a_row(&plan, what)?;
        Ok((plan, columns.into_iter().map(|column| column.ty).collect()))
    }

    /// Plans expressions over the rows of a relation, which need not be in the catalog as it is.
    pub(in crate::engine) async fn plan_over_rows(&self, relation: &Arc<Relation>, texts: &[String]) -> Result<Planned> {
        let names = Names {
            scope: Scope::kept(self.catalog()),
            stand_ins: vec![(relation.name.clone(), whole(relation))],
            base: self.state().clone(),
            ..self.names()
        };
        let items: Vec<String> = texts.iter().enumerate().map(|(i, text)| format!("{text} AS \"{i}\"")).collect();
        let query = parsed_query(&format!("SELECT {} FROM {}", items.join(", "), quoted(&relation.name)))?;
        self.plan_with(names, &query, &[]).await
    }

    /// The plan with the types and casts that it comes to have.
    pub(in crate::engine) fn analyzed(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let state = self.knowing(self.state());
        Ok(state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?)
    }

    /// What an index that is to be made computes: the types of its expressions are told. Errors: 42P17 for what may come out otherwise
    /// another time, 42804 for a condition that is none, and those of planning.
    pub(in crate::engine) async fn computed(&self, relation: &Arc<Relation>, index: &mut Index) -> Result<()> {
        for key in &mut index.keys {
            if let Indexed::Expression { sql, ty } = &mut key.of {
                *ty = self.immutable(relation, sql, OneRow::Index).await?;
            }
        }
        if let Some(predicate) = &index.predicate {
            let ty = self.immutable(relation, predicate, OneRow::Predicate).await?;
            if ty.base() != PgType::Bool {
                let message = format!("argument of WHERE must be type boolean, not type {ty}");
                return Err(Error::new(code::DATATYPE_MISMATCH, message));
            }
        }
        Ok(())
    }

    /// The type of an expression over a row that always gives the same for it. Errors: 42P17, and those of planning.
    pub(in crate::engine) async fn immutable(&self, relation: &Arc<Relation>, sql: &str, what: OneRow) -> Result<PgType> {
        if names_changing(sql)? {
            return Err(what.not_immutable());
        }
        let (plan, mut types) = self.projected(relation, &[sql.to_string()], what).await?;
        if is_changing(&plan)? {
            return Err(what.not_immutable());
        }
        types.pop().ok_or_else(|| Error::internal("an expression has a type"))
    }

    /// Errors: 23505 for one of `rows` if another row has the same key.
    pub(super) async fn check_unique(&self, relation: &Arc<Relation>, unique: &Unique, rows: &RecordBatch) -> Result<()> {
        let there = self.rows_of_keys(relation, &unique.by, &unique.by.of(rows)?.keys).await?;
        unique.refuse_twice(relation, Breach::Put, &[there]).map_err(|mut e| {
            if !self.may_tell_key(relation, unique) {
                e.fields_mut().detail = None;
            }
            e
        })
    }

    /// Errors: 23505 for two rows of the table that have the same key.
    pub(in crate::engine) async fn check_unique_present(&self, relation: &Arc<Relation>, unique: &Unique) -> Result<()> {
        let list = relation.columns.iter().map(|c| quoted(&c.name)).collect::<Vec<_>>().join(", ");
        let query = parsed_query(&format!("SELECT {list} FROM {}", whole_name(&self.catalog(), relation)))?;
        let planned = self.plan_query(&query, &[]).await?;
        unique.refuse_twice(relation, Breach::There, &self.collect(&planned, vec![]).await?)
    }

    /// Errors: 23505 for two of the rows, of all columns, that a relation is to have, with the same key.
    pub(in crate::engine) async fn check_unique_among(&self, relation: &Arc<Relation>, rows: &[RecordBatch]) -> Result<()> {
        if !relation.key.is_empty() {
            Unique::of_key(relation)?.refuse_twice(relation, Breach::There, rows)?;
        }
        self.uniques(relation).await?.iter().try_for_each(|unique| unique.refuse_twice(relation, Breach::There, rows))
    }

    /// Errors: 23505 for two rows of the table that are the same in these columns, which are to be unique under a name.
    pub(in crate::engine) async fn check_columns_unique(&self, relation: &Arc<Relation>, name: &str, columns: &[String]) -> Result<()> {
        self.check_unique_present(relation, &Unique::of_columns(relation, name, columns, true)?).await
    }
}

/// True for keys by which rules or queries find the rows of a relation.
pub fn is_wanted(relation: &Relation, by: &RowKeys) -> bool {
    match by {
        RowKeys::Computed(computed) => relation.indexes.iter().any(|index| index.id == computed.id),
        RowKeys::Columns(_) => {
            let foreign = relation.constraints.iter().filter_map(|constraint| match &constraint.rule {
                Rule::ForeignKey(foreign) => Some(foreign.columns.clone()),
                _ => None,
            });
            let of_rules = relation.unique_columns().chain(foreign).filter_map(|columns| places(relation, &columns).ok());
            of_rules.chain(keys::of_indexes(relation)).any(|columns| RowKeys::Columns(columns) == *by)
        }
    }
}

/// True if rows of a relation are compared with each other.
pub fn has_unique(relation: &Relation) -> bool {
    let of_constraint = relation.constraints.iter().any(|c| matches!(c.rule, Rule::Unique(_)));
    of_constraint || relation.indexes.iter().any(|index| index.unique)
}

/// Errors: 42803, 42P20, 0A000 for a plan that does more than compute over each row of a relation.
fn refuse_beyond_a_row(plan: &LogicalPlan, what: OneRow) -> Result<()> {
    let not_allowed = |code, those: &str| Some(Error::new(code, format!("{those} are not allowed in {}s", what.name())));
    let (mut refused, mut subquery) = (None, false);
    plan.apply(|node| {
        refused = refused.take().or_else(|| match node {
            LogicalPlan::Aggregate(_) => not_allowed(code::GROUPING_ERROR, "aggregate functions"),
            LogicalPlan::Window(_) => not_allowed(code::WINDOWING_ERROR, "window functions"),
            LogicalPlan::Unnest(_) => not_allowed(code::FEATURE_NOT_SUPPORTED, "set-returning functions"),
            _ => None,
        });
        Ok(TreeNodeRecursion::Continue)
    })?;
    for expr in plan.expressions() {
        expr.apply(|e| {
            use LogicalExpr as E;
            subquery |= matches!(e, E::ScalarSubquery(_) | E::InSubquery(_) | E::Exists(_) | E::SetComparison(_));
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    let over_rows = matches!(plan, LogicalPlan::Projection(projection) if is_relation(&projection.input));
    match refused {
        Some(refused) => Err(refused),
        None if subquery || !over_rows => Err(beyond_a_row(what)),
        None => Ok(()),
    }
}

fn is_relation(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_relation(&alias.input),
        LogicalPlan::TableScan(scan) => source_as_provider(&scan.source).is_ok_and(|p| p.downcast_ref::<RelationProvider>().is_some()),
        _ => false,
    }
}

fn beyond_a_row(what: OneRow) -> Error {
    Error::unsupported(format!("cannot use subquery in {}", what.name())).hint("It computes over the columns of one row.")
}

/// An analyzed expression as it is computed.
pub(in crate::engine) fn physical(state: &SessionState, expr: &LogicalExpr, schema: &DFSchemaRef) -> Result<Expr> {
    // Some functions, COALESCE among them, can be computed only as what they are simplified to.
    let context = SimplifyContext::builder().with_schema(schema.clone()).with_config_options(state.config_options().clone());
    let expr = ExprSimplifier::new(context.build()).simplify(expr.clone())?;
    Ok(state.create_physical_expr(expr, schema)?)
}

/// True if an analyzed plan may give something else for the same rows another time, or to another session.
pub(in crate::engine) fn is_changing(plan: &LogicalPlan) -> Result<bool> {
    Ok(calls_changing(plan)? || reads_labels(plan)? || depends_on_settings(plan))
}

/// True if an expression names a function whose result PostgreSQL does not call immutable for any arguments.
fn names_changing(sql: &str) -> Result<bool> {
    let query = parsed_query(&format!("SELECT {sql}"))?;
    let mut found = false;
    let _ = ast::visit_expressions(query.as_ref(), |e| {
        if let ast::Expr::Function(f) = e
            && let Some(name) = f.name.0.last().and_then(|part| part.as_ident()).map(fold_name)
        {
            let mut known = PROCS.iter().filter(|p| p.name == name).peekable();
            found |= known.peek().is_some() && known.all(|p| p.volatility != "i");
        }
        ControlFlow::<()>::Continue(())
    });
    Ok(found)
}

/// True if a plan calls a function that is not immutable.
fn calls_changing(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    for expr in plan.expressions() {
        expr.apply(|e| {
            if let LogicalExpr::ScalarFunction(f) = e {
                // A cast is marked otherwise only so that it is not computed beforehand.
                found |= f.func.signature().volatility != Volatility::Immutable && f.func.name() != cast::NAME;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(found)
}

/// True if a plan makes text of labels, which may get other names.
fn reads_labels(plan: &LogicalPlan) -> Result<bool> {
    let LogicalPlan::Projection(projection) = plan else { return Ok(false) };
    let (schema, mut found) = (projection.input.schema(), false);
    for expr in &projection.expr {
        expr.apply(|e| {
            let of = match e {
                LogicalExpr::Cast(Cast { expr, field }) => Some((expr.as_ref(), field.data_type().clone())),
                LogicalExpr::ScalarFunction(f) => {
                    f.func.inner().downcast_ref::<PgCast>().and_then(|cast| Some((f.args.first()?, cast.target().arrow())))
                }
                _ => None,
            };
            if let Some((from, to)) = of {
                found |= EnumType::of_arrow(&from.get_type(schema)?).is_some() && EnumType::of_arrow(&to).is_none();
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(found)
}

/// True if a session in another time zone, or with another DateStyle, would have another plan.
fn depends_on_settings(plan: &LogicalPlan) -> bool {
    const ELSEWHERE: &str = "Asia/Kolkata";
    let Ok(zone) = Zone::parse(ELSEWHERE) else { return true };
    let style = Style { timezone: zone, dates: DateStyle { form: DateForm::Sql, order: DateOrder::Dmy }, ..Style::default() };
    InZone { zone, name: ELSEWHERE.into(), style }.changes(plan)
}
