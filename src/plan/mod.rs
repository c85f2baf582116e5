//! From statements to plans.
//!
//! 1. [`inline`] puts what functions of users mean in the place of their calls, and [`overloads`] tells which a call means. [`names`]
//!    answers DataFusion's planner for every relation that a query names: relations without rows, behind the policies that apply to who
//!    asks ([`policies`]), system relations, plain views expanded.
//! 2. DataFusion makes a logical plan, of a size that is bounded ([`size`]), and [`parameters`] tells the types of its parameters. A query is then run by DataFusion as it is.
//!    [`result_types`] tells those of its columns, [`origin`] which columns of relations they show, and [`reads`] all those that it reads. One of rows that the key of a
//!    table tells is computed without DataFusion's optimizer ([`by_key`]), and so is what is about each row by itself ([`per_row`])
//!    or about no row at all ([`of_nothing`]), and what few rows of one relation tell ([`of_rows`]): where a statement arrives what takes no
//!    time to speak of ([`soon`]), else aside.
//!    Where aggregates gather values, [`arrival`] settles in what order.
//! 3. A materialized view's plan is analyzed and optimized by DataFusion, and [`lower::lower`] turns it, node by node, into a
//!    [`crate::fold::Flow`] of incremental operators. What cannot be maintained is refused there, with the reason.
//!
//! Invariant: a plan holds no rows and no positions.

pub mod arrival;
pub mod by_key;
pub mod inline;
pub mod ksql;
pub mod lower;
pub mod names;
pub mod of_nothing;
pub mod of_rows;
pub mod origin;
pub mod overloads;
pub mod parameters;
pub mod per_row;
pub mod policies;
pub mod reads;
pub mod result_types;
pub mod size;
pub mod soon;
