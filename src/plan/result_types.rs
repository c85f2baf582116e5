//! The PostgreSQL types of a query's columns, where the Arrow types alone do not tell them.
//!
//! Text and object ids come in many types (name, `"char"`, varchar; regclass, xid): which one stands in the metadata of a column, and
//! DataFusion drops that in expressions. [`types`] follows each column of such an Arrow type down the plan to where it comes from, and
//! up again through CASE, COALESCE, UNION and aggregates by PostgreSQL's rules (manual, chapter 10.5). What it cannot follow has
//! the type that its field says.
//!
//! So it is with modifiers, as that of numeric(10,2). A column has one that is declared, and so has a cast to a type with one; where
//! there are alternatives, it is what all of them have alike (PostgreSQL's exprTypmod). Functions, operators and aggregates give
//! none. It is found here and not from the values' Arrow type, which for a numeric says how wide a result may be, and not what anybody
//! has declared; and on the plan before it is analyzed, since the analyzer adds casts of its own.

use std::collections::HashMap;

use arrow::datatypes::{DataType, FieldRef, Fields};
use datafusion::common::{Column, DFSchema, JoinType, Result as DfResult};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan};

use crate::data::PgType;
use crate::func::domains;
use crate::func::setops::is_set_operation;
use crate::func::type_of::UNTOLD;
use crate::func::{APART, IN_TURN, SLICES};

/// The type of each column of a plan that is not analyzed yet, and so has no casts but those that were written; `fields` are those
/// of the analyzed one, which say the rest. Cost: each column of each node is looked at once.
pub fn types(plan: &LogicalPlan, fields: &Fields) -> Vec<PgType> {
    let mut types = Types::default();
    let one = |(i, field): (usize, &FieldRef)| match is_ambiguous(field.data_type()) {
        true => fitting(types.inner(plan, i), field),
        false => PgType::of(field),
    };
    fields.iter().enumerate().map(one).collect()
}

/// True if column `i` of a plan that is not analyzed yet is a literal whose type its place decides.
pub fn is_unknown(plan: &LogicalPlan, i: usize) -> bool {
    plan.schema().field(i).data_type().is_null() || Types::default().column(plan, i).is_none()
}

/// The type that was found, if the field can carry it.
fn fitting(found: Option<PgType>, field: &FieldRef) -> PgType {
    let fits = |ty: &PgType| ty.arrow() == *field.data_type() || is_text(&ty.arrow()) && is_text(field.data_type());
    found.filter(fits).unwrap_or_else(|| PgType::of(field).unmodified())
}

fn is_text(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::Utf8View)
}

/// True for a literal whose type its place decides.
fn is_untyped(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, None) if value.is_null() || is_text(&value.data_type()))
}

/// True if the Arrow type stands for more than one PostgreSQL type that a client tells apart.
fn is_ambiguous(ty: &DataType) -> bool {
    match ty {
        DataType::List(item) => is_ambiguous(item.data_type()),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::UInt32 => true,
        DataType::Decimal128(..) | DataType::Decimal256(..) => true,
        _ => false,
    }
}

/// Types found before, by node and column.
#[derive(Default)]
struct Types(HashMap<(usize, usize), Option<PgType>>);

impl Types {
    /// The type of column `i`; `None` for a literal that has none yet.
    fn column(&mut self, plan: &LogicalPlan, i: usize) -> Option<PgType> {
        let field = plan.schema().field(i);
        if !is_ambiguous(field.data_type()) {
            return Some(PgType::of(field));
        }
        let key = (std::ptr::from_ref(plan) as usize, i);
        if let Some(known) = self.0.get(&key) {
            return known.clone();
        }
        let found = self.origin(plan, i);
        self.0.insert(key, found.clone());
        found
    }

    fn origin(&mut self, plan: &LogicalPlan, i: usize) -> Option<PgType> {
        let own = || Some(PgType::of(plan.schema().field(i)));
        match plan {
            LogicalPlan::Projection(p) => self.expr(&p.expr[i], plan),
            LogicalPlan::Distinct(Distinct::On(on)) => on.select_expr.get(i).map_or_else(own, |e| self.expr(e, plan)),
            LogicalPlan::Aggregate(a) => {
                let grouping = a.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_)));
                let exprs: Vec<&Expr> = a.group_expr.iter().chain(&a.aggr_expr).collect();
                exprs.get(i).filter(|_| !grouping).map_or_else(own, |e| self.expr(e, plan))
            }
            LogicalPlan::Window(w) => match i.checked_sub(w.input.schema().fields().len()) {
                None => self.column(&w.input, i),
                Some(at) => w.window_expr.get(at).map_or_else(own, |e| self.expr(e, plan)),
            },
            LogicalPlan::Join(join) => {
                let left = join.left.schema().fields().len();
                match join.join_type {
                    _ if is_set_operation(join) => common(vec![self.column(&join.left, i), self.column(&join.right, i)]),
                    JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => self.inner(&join.right, i).or_else(own),
                    _ if i < left => self.column(&join.left, i),
                    _ => self.inner(&join.right, i - left).or_else(own),
                }
            }
            LogicalPlan::Union(union) => {
                let branches: Vec<_> = union.inputs.iter().map(|input| self.column(input, i)).collect();
                common(branches).or(Some(PgType::Text))
            }
            LogicalPlan::RecursiveQuery(query) => common(vec![self.column(&query.static_term, i), self.column(&query.recursive_term, i)]),
            LogicalPlan::Values(values) => common(values.values.iter().map(|row| self.expr(&row[i], plan)).collect()),
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Repartition(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::Distinct(Distinct::All(_)) => plan.inputs().first().and_then(|input| self.inner(input, i)).or_else(own),
            LogicalPlan::Unnest(unnest) => {
                let from = unnest.dependency_indices.get(i).copied();
                let source = from.and_then(|at| self.inner(&unnest.input, at));
                let is_list = from.is_some_and(|at| matches!(unnest.input.schema().field(at).data_type(), DataType::List(_)));
                match source {
                    Some(PgType::Array(item)) if is_list => Some(item.unmodified()),
                    Some(ty) if !is_list => Some(ty),
                    _ => own(),
                }
            }
            _ => own(),
        }
    }

    fn inner(&mut self, plan: &LogicalPlan, i: usize) -> Option<PgType> {
        if i < plan.schema().fields().len() { self.column(plan, i) } else { None }
    }

    /// The type of an expression over the inputs of a node.
    fn expr(&mut self, expr: &Expr, node: &LogicalPlan) -> Option<PgType> {
        match expr {
            Expr::Alias(alias) => self.expr(&alias.expr, node),
            Expr::Column(column) => self.named(column, node),
            Expr::OuterReferenceColumn(field, _) => Some(PgType::of(field)),
            Expr::Cast(cast) => Some(PgType::of(&cast.field)),
            untyped if is_untyped(untyped) => None,
            Expr::Literal(value, None) => Some(PgType::of_arrow(&value.data_type())),
            Expr::Case(case) => {
                let last = case.else_expr.as_ref().and_then(|last| self.expr(last, node));
                let thens = case.when_then_expr.iter().map(|(_, then)| self.expr(then, node));
                common([last].into_iter().chain(thens).collect())
            }
            Expr::ScalarFunction(call) => self.call(call, node).or_else(|| self.declared(expr, node).ok()),
            Expr::AggregateFunction(AggregateFunction { func, params }) => {
                self.aggregate(func.name(), &params.args, node).or_else(|| self.declared(expr, node).ok())
            }
            Expr::WindowFunction(window) => {
                let WindowFunction { fun, params } = window.as_ref();
                self.aggregate(fun.name(), &params.args, node).or_else(|| self.declared(expr, node).ok())
            }
            Expr::ScalarSubquery(subquery) => self.inner(&subquery.subquery, 0),
            other => self.declared(other, node).ok(),
        }
    }

    fn named(&mut self, column: &Column, node: &LogicalPlan) -> Option<PgType> {
        for input in node.inputs() {
            if let Some(i) = input.schema().maybe_index_of_column(column) {
                return self.column(input, i);
            }
        }
        None
    }

    /// The type that DataFusion gives the expression's field. That a modifier is in it says nothing: it may be an operand's.
    fn declared(&self, expr: &Expr, node: &LogicalPlan) -> DfResult<PgType> {
        let schema: DFSchema = merge_schema(&node.inputs());
        Ok(PgType::of(&expr.to_field(&schema)?.1).unmodified())
    }

    fn call(&mut self, call: &ScalarFunction, node: &LogicalPlan) -> Option<PgType> {
        let first = call.args.first();
        match call.func.name() {
            "coalesce" | "greatest" | "least" | "nvl" => self.common(&call.args.iter().collect::<Vec<_>>(), node),
            "pg_array_or_empty" | "array_slice" | SLICES | domains::NAME | UNTOLD | APART | IN_TURN => {
                first.and_then(|e| self.expr(e, node))
            }
            "nullif" => first.and_then(|e| self.expr(e, node)).map(compared),
            "make_array" => {
                let item = self.common(&call.args.iter().collect::<Vec<_>>(), node)?;
                (!matches!(item, PgType::Array(_))).then(|| PgType::Array(Box::new(item)))
            }
            "json_array_elements" | "json_each" => Some(PgType::Array(Box::new(PgType::Json))),
            "array_element" => match first.and_then(|e| self.expr(e, node)) {
                Some(PgType::Array(item)) => Some(*item),
                _ => None,
            },
            _ => None,
        }
    }

    fn aggregate(&mut self, name: &str, args: &[Expr], node: &LogicalPlan) -> Option<PgType> {
        let of = self.expr(args.first()?, node)?;
        match (name, of) {
            ("first_value" | "last_value" | "nth_value" | "lag" | "lead", ty) => Some(ty.unmodified()),
            ("min" | "max", PgType::Name) => Some(PgType::Text),
            ("min" | "max", PgType::Regclass | PgType::Regtype | PgType::Regproc | PgType::Id(_)) => Some(PgType::Oid),
            ("min" | "max", ty) => Some(compared(ty.unmodified())),
            ("array_agg", PgType::Array(_)) => None,
            ("array_agg", item) => Some(PgType::Array(Box::new(item.unmodified()))),
            _ => None,
        }
    }

    fn common(&mut self, exprs: &[&Expr], node: &LogicalPlan) -> Option<PgType> {
        let types = exprs.iter().map(|e| self.expr(e, node)).collect();
        common(types)
    }
}

/// The type of a value that is compared: there are no operators of varchar, which is a text to them.
fn compared(ty: PgType) -> PgType {
    if matches!(ty, PgType::Varchar(_)) { PgType::Text } else { ty }
}

/// The type of several alternatives, as PostgreSQL's select_common_type() and select_common_typmod() find it; literals without a type
/// have no say, and no modifier.
fn common(types: Vec<Option<PgType>>) -> Option<PgType> {
    let alike = types.windows(2).all(|pair| pair[0] == pair[1]);
    let ty = types.into_iter().flatten().reduce(|so_far, next| {
        let preferred = matches!(so_far, PgType::Text | PgType::Oid) || so_far.oid() == next.oid();
        if !preferred && becomes(&so_far, &next) && !becomes(&next, &so_far) { next } else { so_far }
    })?;
    Some(if alike { ty } else { ty.unmodified() })
}

/// True if PostgreSQL casts the one type to the other without being asked, among those that one Arrow type carries.
fn becomes(from: &PgType, to: &PgType) -> bool {
    use PgType::{Bpchar, Char, Name, Oid, Text, Varchar};
    match (from, to) {
        (Text | Varchar(_) | Bpchar(_), Text | Varchar(_) | Bpchar(_) | Name) => true,
        (Name | Char, Text) => true,
        (from, Oid) => from.is_reg(),
        (Oid, to) => to.is_reg(),
        _ => false,
    }
}
