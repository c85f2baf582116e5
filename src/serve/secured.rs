//! A relation of which policies let only some rows through.
//!
//! Its rows are those of a plan of its own, the relation's rows behind the policies' conditions, which is optimized by itself: so nothing
//! that a query says is computed of a row before the policies have let it through, and no function can tell of the others by an error or a
//! notice. Of what the query filters by, comparisons of columns with constants, which neither err nor tell anything, are given to that plan
//! too: so rows are found by their keys.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::catalog::Relation;
use crate::func::fence::Fence;

type DfResult<T> = datafusion::error::Result<T>;

/// The rows of a relation that policies let through.
pub struct SecuredProvider {
    /// The relation.
    pub relation: Arc<Relation>,
    /// Its columns as this statement sees them.
    pub schema: SchemaRef,
    /// What has these columns, of the rows that are let through.
    pub plan: LogicalPlan,
}

impl fmt::Debug for SecuredProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.relation.name)
    }
}

#[async_trait]
impl TableProvider for SecuredProvider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        let kind = |filter: &&Expr| match tells_nothing(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(kind).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let mut plan = LogicalPlanBuilder::from(self.plan.clone());
        let filters = filters.iter().filter(|filter| tells_nothing(filter)).map(|filter| self.own(filter));
        if let Some(condition) = conjunction(filters.collect::<DfResult<Vec<_>>>()?) {
            plan = plan.filter(condition)?;
        }
        if let Some(columns) = projection {
            let columns: Vec<Expr> = columns.iter().map(|at| Expr::from(self.plan.schema().qualified_field(*at))).collect();
            plan = plan.project(columns)?;
        }
        Ok(Fence::closed(state.create_physical_plan(&plan.build()?).await?))
    }
}

impl SecuredProvider {
    /// A condition on the relation's columns, whatever the query calls the relation.
    fn own(&self, filter: &Expr) -> DfResult<Expr> {
        let schema = self.plan.schema();
        let renamed = filter.clone().transform(|expr| match &expr {
            Expr::Column(column) => Ok(Transformed::yes(Expr::from(schema.qualified_field_with_unqualified_name(&column.name)?))),
            _ => Ok(Transformed::no(expr)),
        })?;
        Ok(renamed.data)
    }
}

/// True for a condition that has no error and no effect, whatever the row: of a column and constants of its type.
fn tells_nothing(filter: &Expr) -> bool {
    let plain = |expr: &Expr| matches!(expr, Expr::Column(_) | Expr::Literal(..));
    let compares =
        |op: &Operator| matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq);
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => compares(op) && plain(left) && plain(right),
        Expr::InList(list) => plain(&list.expr) && list.list.iter().all(|item| matches!(item, Expr::Literal(..))),
        Expr::IsNull(of) | Expr::IsNotNull(of) => plain(of),
        _ => false,
    }
}
