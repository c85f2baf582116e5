//! A subquery's plan for all rows around it at once.
//!
//! [`Domain`] is the set of the values that the outer query's columns have where the subquery names them. [`Domain::push`] carries it
//! down to where they are named: the plan that comes out has the columns of the plan that went in, and behind them those of the domain, and for
//! each row of the domain the rows that the subquery has for it (Neumann and Kemper, "Unnesting Arbitrary Queries", BTW 2015, section 3).
//! A node that names nothing of the outer row is paired with the whole domain, as low as can be.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, NullEquality, Result as DfResult};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, ExprFunctionExt, ExprSchemable, Extension, FetchType, Join, JoinConstraint, Limit, LogicalPlan,
    LogicalPlanBuilder, Operator, SkipType, SortExpr, Subquery, Union, Values, Window, WindowFunctionDefinition, cast, lit, when,
};

use super::recursion::Step;
use super::row_bounds;
use super::unnesting::Names;
use crate::func::scalar::exact;
use crate::func::setops::SetOperation;

/// A plan with the domain's columns at its end.
pub(super) struct Dependent {
    pub plan: LogicalPlan,
    /// The domain's columns in it.
    pub keys: Vec<Column>,
}

/// The outer query's columns that a subquery names, and all values they have.
pub(super) struct Domain<'a> {
    /// As the outer query calls them.
    pub columns: Vec<Column>,
    /// What the rows of the domain are found by: the columns, or what tells apart values of theirs that are equal and print differently.
    pub keys: Vec<Expr>,
    /// Whether that has to be taken back to the value.
    keyed: Vec<bool>,
    /// The distinct keys.
    rows: LogicalPlan,
    names: &'a Names<'a>,
    /// The recursive queries around what is carried through, whose rows have the domain's columns already.
    steps: Vec<Step>,
}

/// `None` where a plan cannot be carried through: it stays as it is, and is refused.
pub(super) type Pushed = DfResult<Option<Dependent>>;

impl<'a> Domain<'a> {
    /// The values that the columns have in `outer`.
    pub fn new(columns: Vec<Column>, outer: &LogicalPlan, names: &'a Names<'a>) -> DfResult<Domain<'a>> {
        let is_keyed = |c: &Column| outer.schema().index_of_column(c).map(|i| exact::has_value(outer.schema().field(i).data_type()));
        let keyed = columns.iter().map(is_keyed).collect::<DfResult<Vec<bool>>>()?;
        let keys = as_exprs(&columns).into_iter().zip(&keyed).map(|(value, keyed)| if *keyed { exact::key(value) } else { value });
        let keys: Vec<Expr> = keys.collect();
        let rows = LogicalPlanBuilder::from(outer.clone()).aggregate(keys.clone(), Vec::<Expr>::new())?.build()?;
        Ok(Domain { columns, keys, keyed, rows, names, steps: vec![] })
    }

    /// The domain within the recursive term of a query.
    pub(super) fn in_step(&self, step: Step) -> Domain<'a> {
        let (columns, keys, keyed, rows) = (self.columns.clone(), self.keys.clone(), self.keyed.clone(), self.rows.clone());
        let steps = self.steps.iter().cloned().chain([step]).collect();
        Domain { columns, keys, keyed, rows, names: self.names, steps }
    }

    /// A name that nothing else in the statement has.
    pub(super) fn next_name(&self) -> String {
        self.names.next()
    }

    /// A copy of the domain under names of its own.
    fn copy(&self) -> DfResult<Dependent> {
        let alias = self.names.next();
        let keys: Vec<Column> = (0..self.columns.len()).map(|i| column(&alias, &i.to_string())).collect();
        let exprs = self.rows.schema().columns().into_iter().zip(&keys).map(|(from, to)| renamed(&from, to)).collect::<Vec<_>>();
        let plan = LogicalPlanBuilder::from(self.rows.clone()).project(exprs)?.build()?;
        Ok(Dependent { plan, keys })
    }

    /// The plan for each row of the domain.
    pub fn push(&self, plan: &LogicalPlan) -> Pushed {
        if !self.is_named(plan)? {
            return Ok(Some(self.paired(plan)?));
        }
        if let Some(step) = self.steps.iter().rev().find(|step| step.is_scan(plan)) {
            return self.step(step, plan);
        }
        match plan {
            LogicalPlan::RecursiveQuery(query) => self.recursive(query, plan),
            LogicalPlan::Projection(p) => {
                let Some(input) = self.push(&p.input)? else { return Ok(None) };
                self.project(input, &p.expr, plan)
            }
            LogicalPlan::SubqueryAlias(a) => {
                let Some(input) = self.push(&a.input)? else { return Ok(None) };
                let columns: Vec<Expr> = a.input.schema().columns().into_iter().map(Expr::Column).collect();
                self.project(input, &columns, plan)
            }
            LogicalPlan::Filter(f) => {
                let Some(Dependent { plan: input, keys }) = self.push(&f.input)? else { return Ok(None) };
                let condition = self.inner(f.predicate.clone(), &keys)?;
                Ok(Some(Dependent { plan: LogicalPlanBuilder::from(input).filter(condition)?.build()?, keys }))
            }
            LogicalPlan::Aggregate(a) => self.aggregate(a, plan),
            LogicalPlan::Window(w) => self.window(w, plan),
            LogicalPlan::Sort(s) if s.fetch.is_none() => self.push(&s.input),
            LogicalPlan::Sort(s) => self.numbered(&s.input, &s.expr, Bounds::Literal(0, s.fetch), plan),
            LogicalPlan::Limit(l) => self.limit(l, plan),
            LogicalPlan::Union(u) => self.union(u, plan),
            LogicalPlan::Extension(e) => match e.node.as_any().downcast_ref::<SetOperation>() {
                Some(operation) => self.set_operation(operation, plan),
                None => Ok(None),
            },
            LogicalPlan::Join(j) => self.join(j, plan),
            LogicalPlan::Values(v) => self.push(&as_lists(v)?),
            // What FROM begins with and names the row around, `FROM unnest(t.a) x`; not what names a neighbour in FROM besides.
            LogicalPlan::Subquery(s) if outer_columns(&s.subquery)?.iter().all(|c| self.place(c).is_some()) => self.push(&s.subquery),
            LogicalPlan::Unnest(u) => {
                let Some(Dependent { plan: input, keys }) = self.push(&u.input)? else { return Ok(None) };
                let unnested = LogicalPlanBuilder::from(input).unnest_columns_with_options(u.exec_columns.clone(), u.options.clone())?;
                Ok(Some(Dependent { plan: unnested.build()?, keys }))
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let Some(Dependent { plan: input, keys }) = self.push(input)? else { return Ok(None) };
                let columns = input.schema().columns().into_iter().map(Expr::Column);
                Ok(Some(Dependent { plan: LogicalPlanBuilder::from(input).aggregate(columns, Vec::<Expr>::new())?.build()?, keys }))
            }
            _ => Ok(None),
        }
    }

    /// Each row of the plan with each row of the domain.
    fn paired(&self, plan: &LogicalPlan) -> DfResult<Dependent> {
        let Dependent { plan: rows, keys } = self.copy()?;
        let one_row = matches!(plan, LogicalPlan::EmptyRelation(e) if e.produce_one_row && e.schema.fields().is_empty());
        let plan = if one_row { rows } else { LogicalPlanBuilder::from(plan.clone()).cross_join(rows)?.build()? };
        Ok(Dependent { plan, keys })
    }

    /// The expressions over `input`, under the names that `as_of` has for them, and the domain's columns.
    pub(super) fn project(&self, input: Dependent, exprs: &[Expr], as_of: &LogicalPlan) -> Pushed {
        let named = exprs.iter().zip(as_of.schema().columns()).map(|(expr, to)| {
            let expr = self.inner(expr.clone().unalias(), &input.keys)?;
            Ok(if expr == Expr::Column(to.clone()) { expr } else { expr.alias_qualified(to.relation, to.name) })
        });
        let exprs = named.chain(input.keys.iter().map(|k| Ok(Expr::Column(k.clone())))).collect::<DfResult<Vec<_>>>()?;
        Ok(Some(Dependent { plan: LogicalPlanBuilder::from(input.plan).project(exprs)?.build()?, keys: input.keys }))
    }

    /// Groups are apart for each row of the domain. Without GROUP BY there is a group for a row of the domain without rows, too.
    fn aggregate(&self, aggregate: &Aggregate, as_of: &LogicalPlan) -> Pushed {
        if aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
            return Ok(None);
        }
        let Some(Dependent { plan: input, keys }) = self.push(&aggregate.input)? else { return Ok(None) };
        let inner = |e: &Expr| self.inner(e.clone(), &keys);
        let groups = aggregate.group_expr.iter().map(inner).collect::<DfResult<Vec<_>>>()?;
        let calls = aggregate.aggr_expr.iter().map(inner).collect::<DfResult<Vec<_>>>()?;
        // A column of the row around is a key already.
        let of_domain = as_exprs(&keys);
        let own: Vec<Expr> = groups.iter().filter(|group| !of_domain.contains(group)).cloned().collect();
        let n = own.len();
        let plan = LogicalPlanBuilder::from(input).aggregate(own.into_iter().chain(of_domain.iter().cloned()), calls)?.build()?;
        let mut own: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        let of_calls = own.split_off(n + keys.len());
        own.truncate(n);
        let mut own = own.into_iter();
        let of_groups = groups.into_iter().filter_map(|group| if of_domain.contains(&group) { Some(group) } else { own.next() });
        let values: Vec<Expr> = of_groups.chain(of_calls).collect();
        if !aggregate.group_expr.is_empty() {
            return self.project(Dependent { plan, keys }, &values, as_of);
        }
        let all = self.copy()?;
        let plan = null_safe(all.plan, plan, (&as_exprs(&all.keys), &as_exprs(&keys)), JoinType::Left, None)?;
        let values = values.into_iter().zip(&aggregate.aggr_expr).map(|(value, call)| {
            let Expr::AggregateFunction(f) = call.clone().unalias() else { return Ok(value) };
            let nothing = f.func.default_value(&call.get_type(aggregate.input.schema())?)?;
            // What is not NULL without rows is never NULL with some.
            Ok(if nothing.is_null() { value } else { when(value.clone().is_null(), lit(nothing)).otherwise(value)? })
        });
        let values = values.collect::<DfResult<Vec<_>>>()?;
        self.project(Dependent { plan, keys: all.keys }, &values, as_of)
    }

    fn window(&self, window: &Window, as_of: &LogicalPlan) -> Pushed {
        let Some(Dependent { plan: input, keys }) = self.push(&window.input)? else { return Ok(None) };
        let apart = |e: &Expr| -> DfResult<Expr> {
            let within = self.inner(e.clone().unalias(), &keys)?;
            let within = within.transform_up(|e| match e {
                Expr::WindowFunction(mut f) => {
                    f.params.partition_by.extend(keys.iter().map(|k| Expr::Column(k.clone())));
                    Ok(Transformed::yes(Expr::WindowFunction(f)))
                }
                other => Ok(Transformed::no(other)),
            });
            Ok(within?.data)
        };
        let calls = window.window_expr.iter().map(apart).collect::<DfResult<Vec<_>>>()?;
        let width = window.input.schema().fields().len();
        let plan = LogicalPlanBuilder::from(input).window(calls)?.build()?;
        let mut values: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        values.drain(width..width + keys.len());
        self.project(Dependent { plan, keys }, &values, as_of)
    }

    /// LIMIT and OFFSET count the rows of each row of the domain.
    fn limit(&self, limit: &Limit, as_of: &LogicalPlan) -> Pushed {
        let Some(bounds) = bounds(limit)? else { return Ok(None) };
        match limit.input.as_ref() {
            LogicalPlan::Sort(s) if s.fetch.is_none() => self.numbered(&s.input, &s.expr, bounds, as_of),
            // The order is below the SELECT list.
            LogicalPlan::Projection(p) if matches!(p.input.as_ref(), LogicalPlan::Sort(_)) => {
                let LogicalPlan::Sort(s) = p.input.as_ref() else { return Ok(None) };
                if s.fetch.is_some() {
                    return Ok(None);
                }
                let Some(rows) = self.numbered(&s.input, &s.expr, bounds, &s.input)? else { return Ok(None) };
                self.project(rows, &p.expr, as_of)
            }
            input => self.numbered(input, &[], bounds, as_of),
        }
    }

    fn numbered(&self, input: &LogicalPlan, order: &[SortExpr], bounds: Bounds, as_of: &LogicalPlan) -> Pushed {
        let Some(Dependent { plan, keys }) = self.push(input)? else { return Ok(None) };
        let order = order.iter().map(|s| Ok(self.inner(s.expr.clone(), &keys)?.sort(s.asc, s.nulls_first)));
        let number = Expr::from(WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), vec![]))
            .partition_by(keys.iter().map(|k| Expr::Column(k.clone())).collect())
            .order_by(order.collect::<DfResult<Vec<_>>>()?)
            .build()?;
        let column = Expr::Column(Column::from_name(number.schema_name().to_string()));
        let kept = match bounds {
            Bounds::Literal(skip, fetch) => first_rows(column, skip, fetch),
            Bounds::OfRow { skip, fetch } => {
                let inner = |bound: Option<Expr>| bound.map(|bound| self.inner(bound, &keys)).transpose();
                rows_between(column, inner(skip)?, inner(fetch)?)?
            }
        };
        let values: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
        let plan = LogicalPlanBuilder::from(plan).window([number])?.filter(kept.unwrap_or(lit(true)))?.build()?;
        self.project(Dependent { plan, keys }, &values, as_of)
    }

    fn union(&self, union: &Union, as_of: &LogicalPlan) -> Pushed {
        let parts = union.inputs.iter().map(|input| Ok(self.part(input)?.map(Arc::new))).collect::<DfResult<Option<Vec<_>>>>()?;
        let Some(parts) = parts else { return Ok(None) };
        self.of_parts(LogicalPlan::Union(Union::try_new(parts)?), as_of)
    }

    /// Rows of either side are compared within their row of the domain.
    fn set_operation(&self, operation: &SetOperation, as_of: &LogicalPlan) -> Pushed {
        let Some(left) = self.part(&operation.left)? else { return Ok(None) };
        let Some(right) = self.part(&operation.right)? else { return Ok(None) };
        let node = SetOperation { left, right, intersect: operation.intersect };
        self.of_parts(LogicalPlan::Extension(Extension { node: Arc::new(node) }), as_of)
    }

    /// An input of several that are alike: its columns and the domain's, called by their places.
    pub(super) fn part(&self, input: &LogicalPlan) -> DfResult<Option<LogicalPlan>> {
        let Some(Dependent { plan, keys }) = self.push(input)? else { return Ok(None) };
        let columns = input.schema().columns().into_iter().chain(keys);
        let exprs: Vec<Expr> = columns.enumerate().map(|(i, c)| Expr::Column(c).alias(format!("u{i}"))).collect();
        LogicalPlanBuilder::from(plan).project(exprs)?.build().map(Some)
    }

    /// The rows of such inputs, with the columns that `as_of` has; what tells them from those of other subqueries is the alias.
    pub(super) fn of_parts(&self, plan: LogicalPlan, as_of: &LogicalPlan) -> Pushed {
        let plan = LogicalPlanBuilder::from(plan).alias(self.names.next())?.build()?;
        let mut values = plan.schema().columns();
        let keys = values.split_off(as_of.schema().fields().len());
        let values: Vec<Expr> = values.into_iter().map(Expr::Column).collect();
        self.project(Dependent { plan, keys }, &values, as_of)
    }

    fn join(&self, join: &Join, as_of: &LogicalPlan) -> Pushed {
        let (in_left, in_right) = (self.is_named(&join.left)?, self.is_named(&join.right)?);
        let inner = join.join_type == JoinType::Inner;
        if !matches!(join.join_type, JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark) {
            return Ok(None);
        }
        if join.null_aware || join.on.iter().any(|(l, r)| l.contains_outer() || r.contains_outer()) {
            return Ok(None);
        }
        // Each row of the left side needs its row of the domain, unless only rows that match count, and the right side has it.
        let (by_left, by_right) = (in_left || !in_right || !inner, in_right);
        let side = |plan: &LogicalPlan, needs: bool| -> DfResult<Option<Option<Dependent>>> {
            Ok(if needs { self.push(plan)?.map(Some) } else { Some(None) })
        };
        let Some(left) = side(&join.left, by_left)? else { return Ok(None) };
        let Some(right) = side(&join.right, by_right)? else { return Ok(None) };
        let keys = left.as_ref().or(right.as_ref()).map(|d| d.keys.clone()).unwrap_or_default();
        let same = match (&left, &right) {
            (Some(l), Some(r)) => l.keys.iter().zip(&r.keys).map(|(l, r)| same(l, r)).collect::<Vec<_>>(),
            _ => vec![],
        };
        let filter = join.filter.clone().map(|f| self.inner(f, &keys)).transpose()?;
        let plan_of = |d: Option<Dependent>, plain: &Arc<LogicalPlan>| d.map_or_else(|| Arc::clone(plain), |d| Arc::new(d.plan));
        let plan = LogicalPlan::Join(Join::try_new(
            plan_of(left, &join.left),
            plan_of(right, &join.right),
            join.on.clone(),
            conjunction(filter.into_iter().chain(same)),
            join.join_type,
            JoinConstraint::On,
            join.null_equality,
            false,
        )?);
        let columns: Vec<Expr> = as_of.schema().columns().into_iter().map(Expr::Column).collect();
        self.project(Dependent { plan, keys }, &columns, as_of)
    }

    /// The expression with the domain's columns for the outer row's. In a subquery of its own they are, in turn, of the row around that.
    fn inner(&self, expr: Expr, keys: &[Column]) -> DfResult<Expr> {
        let moved = expr.transform_up(|e| match e {
            Expr::OuterReferenceColumn(field, column) => match self.place(&column) {
                Some(i) => Ok(Transformed::yes(self.value(i, Expr::Column(keys[i].clone())))),
                None => Ok(Transformed::no(Expr::OuterReferenceColumn(field, column))),
            },
            Expr::ScalarSubquery(s) => Ok(Transformed::yes(Expr::ScalarSubquery(self.nested(s, keys)?))),
            Expr::Exists(mut e) => {
                e.subquery = self.nested(e.subquery, keys)?;
                Ok(Transformed::yes(Expr::Exists(e)))
            }
            Expr::InSubquery(mut e) => {
                e.subquery = self.nested(e.subquery, keys)?;
                Ok(Transformed::yes(Expr::InSubquery(e)))
            }
            other => Ok(Transformed::no(other)),
        });
        Ok(moved?.data)
    }

    fn nested(&self, subquery: Subquery, keys: &[Column]) -> DfResult<Subquery> {
        let plan = subquery.subquery.as_ref().clone().transform_up_with_subqueries(|plan| {
            plan.map_expressions(|e| {
                e.transform_up(|e| match e {
                    Expr::OuterReferenceColumn(field, column) => match self.place(&column) {
                        Some(i) => {
                            let ty = if self.keyed[i] { exact::key_type(field.data_type()) } else { field.data_type().clone() };
                            let field = Arc::new(field.as_ref().clone().with_data_type(ty));
                            Ok(Transformed::yes(self.value(i, Expr::OuterReferenceColumn(field, keys[i].clone()))))
                        }
                        None => Ok(Transformed::no(Expr::OuterReferenceColumn(field, column))),
                    },
                    other => Ok(Transformed::no(other)),
                })
            })
        })?;
        Ok(super::subquery(Arc::new(plan.data)))
    }

    /// The value of the `i`th column, of its key.
    fn value(&self, i: usize, key: Expr) -> Expr {
        if self.keyed[i] { exact::value(key) } else { key }
    }

    fn place(&self, column: &Column) -> Option<usize> {
        self.columns.iter().position(|c| c == column)
    }

    /// True if the plan names a column of the domain, or reads rows that have it.
    fn is_named(&self, plan: &LogicalPlan) -> DfResult<bool> {
        for step in &self.steps {
            if step.is_read(plan)? {
                return Ok(true);
            }
        }
        Ok(outer_columns(plan)?.iter().any(|c| self.place(c).is_some()))
    }
}

/// How many rows a LIMIT leaves out, and how many of the others it keeps.
enum Bounds {
    Literal(usize, Option<usize>),
    /// Bigints that depend on the row around; NULL is no bound.
    OfRow {
        skip: Option<Expr>,
        fetch: Option<Expr>,
    },
}

/// The bounds of a LIMIT; `None` if they are neither literals nor integers.
fn bounds(limit: &Limit) -> DfResult<Option<Bounds>> {
    if let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?) {
        return Ok(Some(Bounds::Literal(skip, fetch)));
    }
    let bound = |expr: &Option<Box<Expr>>| -> DfResult<Option<Expr>> {
        let Some(expr) = expr else { return Ok(None) };
        Ok(expr.get_type(&DFSchema::empty())?.is_integer().then(|| cast(expr.as_ref().clone(), DataType::Int64)))
    };
    let (skip, fetch) = (bound(&limit.skip)?, bound(&limit.fetch)?);
    let is_known = skip.is_some() == limit.skip.is_some() && fetch.is_some() == limit.fetch.is_some();
    Ok(is_known.then_some(Bounds::OfRow { skip, fetch }))
}

/// The condition of being one of the first rows; `None` where all are.
fn first_rows(number: Expr, skip: usize, fetch: Option<usize>) -> Option<Expr> {
    let bound = |n: usize| lit(u64::try_from(n).unwrap_or(u64::MAX));
    let behind = (skip > 0).then(|| number.clone().gt(bound(skip)));
    let within = fetch.map(|fetch| number.lt_eq(bound(skip.saturating_add(fetch))));
    conjunction(behind.into_iter().chain(within))
}

/// The same by bounds that each row may have of its own. Negative ones are an error where there are rows to count.
fn rows_between(number: Expr, skip: Option<Expr>, fetch: Option<Expr>) -> DfResult<Option<Expr>> {
    let number = cast(number, DataType::Int64);
    let place = match skip {
        Some(skip) => {
            let skip = when(skip.clone().is_null(), lit(0_i64)).otherwise(row_bounds::offset(skip))?;
            binary(number, Operator::Minus, skip)
        }
        None => number,
    };
    let within = fetch.map(|fetch| place.clone().lt_eq(row_bounds::limit(fetch.clone())).or(fetch.is_null()));
    Ok(conjunction(std::iter::once(place.gt(lit(0_i64))).chain(within)))
}

/// VALUES as SELECT lists, one above the other.
fn as_lists(values: &Values) -> DfResult<LogicalPlan> {
    let list = |row: &Vec<Expr>| {
        let named = row.iter().zip(values.schema.columns()).map(|(value, to)| value.clone().alias(to.name));
        LogicalPlanBuilder::empty(true).project(named.collect::<Vec<_>>())?.build()
    };
    let mut lists = values.values.iter().map(list).collect::<DfResult<Vec<_>>>()?;
    match lists.pop() {
        Some(only) if lists.is_empty() => Ok(only),
        last => Ok(LogicalPlan::Union(Union::try_new(lists.into_iter().chain(last).map(Arc::new).collect())?)),
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// The columns of outer rows that a plan names, its subqueries' included.
pub(in crate::func) fn outer_columns(plan: &LogicalPlan) -> DfResult<Vec<Column>> {
    let mut found: Vec<Column> = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|e| {
            e.apply(|e| {
                if let Expr::OuterReferenceColumn(_, column) = e
                    && !found.contains(column)
                {
                    found.push(column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// A column of ours under an alias of ours. The name says the alias again, since a plan may not have a user's plain `c` beside an `alias.c`.
pub(super) fn column(alias: &str, name: &str) -> Column {
    Column::new(Some(alias), format!("{alias}_{name}"))
}

fn renamed(from: &Column, to: &Column) -> Expr {
    Expr::Column(from.clone()).alias_qualified(to.relation.clone(), &to.name)
}

fn same(left: &Column, right: &Column) -> Expr {
    binary(Expr::Column(left.clone()), Operator::IsNotDistinctFrom, Expr::Column(right.clone()))
}

/// Columns as expressions.
pub(super) fn as_exprs(columns: &[Column]) -> Vec<Expr> {
    columns.iter().cloned().map(Expr::Column).collect()
}

/// A join on values of which NULL equals NULL.
pub(super) fn null_safe(
    left: LogicalPlan,
    right: LogicalPlan,
    (left_keys, right_keys): (&[Expr], &[Expr]),
    join_type: JoinType,
    filter: Option<Expr>,
) -> DfResult<LogicalPlan> {
    let on = left_keys.iter().cloned().zip(right_keys.iter().cloned()).collect();
    let equality = NullEquality::NullEqualsNull;
    let join = Join::try_new(Arc::new(left), Arc::new(right), on, filter, join_type, JoinConstraint::On, equality, false)?;
    Ok(LogicalPlan::Join(join))
}
