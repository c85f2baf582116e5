//! PostgreSQL's arithmetic, types, casts and functions on top of DataFusion, for ad-hoc queries and views alike.
//!
//! DataFusion plans and optimizes; what its values mean is decided here. The steps of a statement:
//!
//! 1. While its text is planned, [`types::Types`] reads type names and [`arith::Operators`] turns arithmetic into our functions.
//! 2. [`analyzer_rules`]: [`json_operators`] refuses what json and jsonb have not; [`rewrite::Meaning`] types literals, casts and
//!    comparisons before DataFusion coerces types; [`lateral::Laterals`] and [`subquery::Subqueries`] mend LATERAL and subqueries,
//!    [`setops::Multisets`] EXCEPT ALL and INTERSECT ALL, [`distinct_sums::DistinctSums`] sums of distinct intervals, [`keys::Keys`] puts what arrow compares well in the place of what it does not,
//!    [`orders::Orders`] mends orders that DataFusion does not follow.
//! 3. [`optimizer_rules`], where what DataFusion's go wrong about is settled before them or kept from them, and in the end what it cannot
//!    run ([`recursive::node`]). No rule of either kind is asked when nobody waits for the plan any more ([`wanted`]).
//! 4. [`physical_optimizer_rules`]: [`offset_fence`] keeps orders above the OFFSET that they are asked for above, [`outer_constants`]
//!    forgets what is constant below an outer join, [`recursive::InTurn`] keeps the rows of recursive queries in their order,
//!    [`lost_orders`] sorts again what has lost its order, [`limited_distinct`] takes limits from aggregates that cannot keep them,
//!    [`nested_bounds`] bounds of keys from joins by arrays, and [`waiting_joins`] filters from joins that would wait for ever.
//! 5. The functions of [`scalar_functions`] and [`aggregate_functions`] replace or complete DataFusion's.
//!
//! [`register`] puts all of it into a session.
//!
//! Invariants: every function here is immutable (so it is folded, pushed down and shared), returns NULL for NULL unless its
//! manual page says otherwise, and never panics on data. Sums are independent of order ([`sum_state`]), because a view folds
//! them incrementally and must give what a batch run gives.

pub mod arith;
mod array_agg;
mod array_text;
pub mod caller;
mod carried;
pub mod cast;
mod composites;
mod distinct;
mod distinct_sums;
pub mod domains;
pub mod enums;
pub mod exact_float;
pub mod excluding;
mod extremes;
pub mod fence;
mod filtered;
mod first_names;
pub mod frame_offsets;
mod frames;
mod grouped;
mod grouped_apart;
pub mod held_filters;
mod in_order;
mod instead;
mod json_operators;
mod json_text;
mod keys;
pub mod ksql;
pub mod lateral;
pub mod length;
mod limited_distinct;
mod lost_orders;
mod measured;
mod members;
pub mod moments;
pub mod names;
mod nested_bounds;
mod null_joins;
mod numbers;
mod offset_fence;
pub mod operands;
mod orders;
mod outer_constants;
mod per_row;
pub mod plain_constants;
pub mod present;
pub mod random;
pub mod recursive;
mod repeated;
mod repeated_calls;
pub mod replayed;
pub mod rewrite;
mod row_delimiters;
mod same_names;
mod scalar;
pub mod session;
pub mod setops;
mod sizes;
pub mod sleep;
mod sole_inputs;
mod string_agg;
pub mod styled;
pub mod subquery;
mod subscripts;
pub mod sum;
pub mod sum_state;
pub mod text_io;
mod theirs;
pub mod type_of;
pub mod types;
mod unions;
mod waiting_joins;
mod wanted;
mod window;
mod wrong_keys;
pub mod zone;

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::config::Dialect;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::functions_aggregate::bool_and_or::bool_and_udaf;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::optimizer::{AnalyzerRule, Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;

pub use names::output_names;
pub use scalar::apart::APART;
pub use scalar::arrays::{comparable, comparable_type};
pub use scalar::assigned::ASSIGNED;
pub use scalar::exact::{may_differ as may_equals_differ, ordered as exact_order};
pub use scalar::in_turn::{IN_TURN, TURN, in_turn};
pub use scalar::jsonpath;
pub use scalar::math::one_zeros;
pub use scalar::partition_hash::is_hashed;
pub use scalar::series::{ORDINALS, array_ordinals};
pub use scalar::slices::SLICES;
pub use scalar::system_columns::PARTITION_OID;
pub use scalar::trunc::{round_all, rounded};
pub use scalar::windows::{HOP_STARTS, TUMBLE_START};

/// Functions whose value is that of the statement's start, not of their arguments; in a view they mean the event's commit time.
pub const STABLE: &[&str] = &[
    "now",
    "current_timestamp",
    "transaction_timestamp",
    "statement_timestamp",
    "localtimestamp",
    "current_date",
    "today",
    "current_time",
    "localtime",
];

/// Functions whose value differs from call to call; a view may not use them.
pub const VOLATILE: &[&str] =
    &["random", "uuid", "gen_random_uuid", "gen_random_bytes", "clock_timestamp", "timeofday", "setseed", "pg_sleep", "pg_sleep_for"];

/// Settings without which DataFusion's values are not PostgreSQL's.
pub fn config() -> SessionConfig {
    let mut config = SessionConfig::new();
    let options = config.options_mut();
    // 0.1 is numeric, not a float.
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.dialect = Dialect::PostgreSQL;
    // text is Utf8View, as PgType says.
    options.sql_parser.map_string_types_to_utf8view = true;
    options.execution.time_zone = Some("UTC".to_string());
    // Fields of rows are moved below what expands a set, where a column beside them is then there twice; no table has such fields anyway.
    options.optimizer.enable_leaf_expression_pushdown = false;
    // What can be NULL is not the same before and after a plan is optimized: constants are folded.
    options.execution.skip_physical_aggregate_schema_check = true;
    // PostgreSQL sorts NULL as the largest value.
    options.sql_parser.default_null_ordering = "nulls_max".to_string();
    config
}

/// All scalar functions of ours, arithmetic included; they replace DataFusion's of the same name.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let mut all = arith::functions();
    all.extend(scalar::functions());
    all.extend(length::functions());
    all.extend(distinct_sums::functions());
    all.extend(type_of::functions());
    all.extend(sizes::functions());
    all.extend(sleep::functions());
    all.extend(enums::functions());
    all.extend(enums::lenient());
    all.push(random::random_bytes());
    all.extend(composites::functions());
    all.push(domains::function());
    all.extend(excluding::markers());
    all.extend(frame_offsets::markers());
    all
}

/// All aggregate functions of ours; they replace DataFusion's of the same name.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    let mut all = sum::functions();
    all.extend(extremes::functions());
    all.push(string_agg::function());
    all.push(array_agg::function());
    all.push(Arc::new(bool_and_udaf().as_ref().clone().with_aliases(["every"])));
    all
}

/// The analyzer rules in the order they must run, DataFusion's own (grouping functions, type coercion) among them.
pub fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
        vec![Arc::new(json_operators::JsonOperators), Arc::new(grouped_apart::GroupedApart), Arc::new(lateral::Laterals)];
    rules.push(Arc::new(subquery::Subqueries));
    rules.push(Arc::new(rewrite::Meaning));
    rules.push(Arc::new(subquery::OuterTypes));
    rules.push(Arc::new(distinct_sums::DistinctSums));
    rules.push(Arc::new(keys::Keys));
    rules.push(Arc::new(orders::Orders));
    rules.extend(Analyzer::new().rules);
    rules.push(Arc::new(setops::Multisets));
    wanted::analyzing(rules)
}

/// DataFusion's optimizer rules, with ours before those that they prepare.
pub fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    let at = rules.iter().position(|r| r.name() == "decorrelate_predicate_subquery").unwrap_or(0);
    rules.insert(at, Arc::new(subquery::Marks));
    let theirs = ["decorrelate_predicate_subquery", "scalar_subquery_to_join", "decorrelate_lateral_join"];
    let after = rules.iter().rposition(|r| theirs.contains(&r.name())).map_or(0, |i| i + 1);
    rules.insert(after, Arc::new(subquery::Unnesting::of_what_is_left()));
    rules.insert(at, Arc::new(subquery::Unnesting::of_what_goes_wrong()));
    let last = rules.iter().rposition(|r| r.name() == "optimize_projections").unwrap_or(rules.len());
    rules.insert(last, Arc::new(subquery::Columnless));
    rules.push(Arc::new(orders::SimplifiedOrders));
    rules.push(Arc::new(recursive::Nullable));
    rules.push(Arc::new(recursive::node::OwnRun));
    rules.insert(0, Arc::new(setops::Counted));
    for doubted in repeated::DOUBTED {
        instead::put(&mut rules, doubted, repeated::doubting);
    }
    instead::put(&mut rules, enums::SIMPLIFYING, enums::unprinted);
    instead::put(&mut rules, enums::SIMPLIFYING, plain_constants::plain);
    instead::put(&mut rules, sole_inputs::EMPTYING, sole_inputs::keeping_names);
    instead::put(&mut rules, held_filters::PUSHING, held_filters::holding);
    instead::put(&mut rules, null_joins::JOINING, null_joins::joined_apart);
    instead::put(&mut rules, null_joins::EXTRACTING, null_joins::extracted);
    instead::put(&mut rules, repeated_calls::SHARING, repeated_calls::once);
    for believing in wrong_keys::BELIEVING {
        instead::put(&mut rules, believing, wrong_keys::forgetting);
    }
    wanted::optimizing(rules)
}

/// DataFusion's rules for physical plans, with ours before orders are enforced and after everything.
fn physical_optimizer_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    for rule in rules.iter_mut().filter(|rule| same_names::PUSHING.contains(&rule.name())) {
        *rule = Arc::new(same_names::Apart(Arc::new(nested_bounds::Bounded(rule.clone()))));
    }
    rules.insert(0, Arc::new(offset_fence::Offsets));
    let orders = rules.iter().position(|rule| rule.name() == "EnsureRequirements").unwrap_or(0);
    rules.insert(orders, Arc::new(outer_constants::Nulls));
    // Before it is settled where a query makes way for others.
    let yielding = rules.iter().position(|rule| rule.name() == "EnsureCooperative").unwrap_or(rules.len());
    rules.insert(yielding, Arc::new(recursive::InTurn));
    rules.insert(yielding, Arc::new(recursive::ManyByFew));
    let checked = rules.iter().position(|rule| rule.name() == "SanityCheckPlan").unwrap_or(rules.len());
    rules.insert(checked, Arc::new(lost_orders::Restored));
    rules.push(Arc::new(limited_distinct::Limits));
    rules.push(Arc::new(waiting_joins::Waits));
    rules
}

/// Puts PostgreSQL's types, operators, functions and rules into a session. DataFusion's defaults are registered first, so that
/// ours are found before them.
pub fn register(builder: SessionStateBuilder) -> SessionStateBuilder {
    let mut builder = builder.with_default_features();
    let planners: &mut Vec<Arc<dyn ExprPlanner>> = builder.expr_planners().get_or_insert_default();
    // First, since `-` is an operator of jsonb too.
    planners.insert(0, Arc::new(scalar::Syntax));
    planners.insert(1, Arc::new(arith::Operators));
    builder.relation_planners().get_or_insert_default().push(Arc::new(first_names::FirstNames));
    builder.scalar_functions().get_or_insert_default().extend(scalar_functions());
    builder.aggregate_functions().get_or_insert_default().extend(aggregate_functions());
    let names: HashSet<String> = names_of(builder.scalar_functions().get_or_insert_default(), |f| (f.name(), f.aliases()));
    builder.scalar_functions().get_or_insert_default().extend(ksql::udf::scalars(&|name| names.contains(name)));
    let names = names_of(builder.aggregate_functions().get_or_insert_default(), |f| (f.name(), f.aliases()));
    builder.aggregate_functions().get_or_insert_default().extend(ksql::udf::aggregates(&|name| names.contains(name)));
    builder.window_functions().get_or_insert_default().extend(session::functions());
    let builder = builder.with_analyzer_rules(analyzer_rules()).with_optimizer_rules(optimizer_rules());
    let builder = builder.with_query_planner(Arc::new(recursive::node::Planner));
    builder.with_physical_optimizer_rules(physical_optimizer_rules()).with_type_planner(Arc::new(types::Types))
}

/// The names of functions, and their aliases.
fn names_of<F>(functions: &[Arc<F>], of: impl Fn(&F) -> (&str, &[String])) -> HashSet<String> {
    let named = |f: &Arc<F>| {
        let (name, aliases) = of(f);
        std::iter::once(name.to_string()).chain(aliases.iter().cloned()).collect::<Vec<_>>()
    };
    functions.iter().flat_map(named).collect()
}

#[cfg(test)]
mod tests;
