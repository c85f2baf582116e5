//! Relations as DataFusion sees them.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::source_as_provider;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;

use super::access::Access;
use super::cut::{ReadCut, Readable};
use super::system::{SystemContext, SystemRelation};
use super::table::TableRows;
use super::{bounds, keys, segments};
use crate::catalog::Relation;
use crate::log::stored::is_changed;
use crate::log::{SegmentSlice, Slice};

/// Rows that are worth a partition.
const LEAST_ROWS: usize = 8_192;

type DfResult<T> = datafusion::error::Result<T>;

/// A stream, table or materialized view, without rows: those come from the [`ReadCut`] in the configuration of the run.
pub struct RelationProvider {
    /// The relation.
    pub relation: Arc<Relation>,
    /// Its columns as this statement sees them, hidden ones included where it names one.
    pub schema: SchemaRef,
}

impl fmt::Debug for RelationProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.relation.name)
    }
}

/// The relation that a scan reads and the columns that it sees, where its rows are not secured.
pub fn read_from(plan: &LogicalPlan) -> Option<(Arc<Relation>, SchemaRef)> {
    let LogicalPlan::TableScan(scan) = plan else { return None };
    let source = source_as_provider(&scan.source).ok()?;
    source.downcast_ref::<RelationProvider>().map(|provider| (provider.relation.clone(), provider.schema.clone()))
}

#[async_trait]
impl TableProvider for RelationProvider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        // Segments are skipped by their statistics, rows found by their keys or skipped by blocks; those that remain are filtered above.
        let serves = |filter: &Expr| keys::names_values(filter) || bounds::bound(filter, &self.schema).is_some();
        let kind = |filter: &&Expr| match self.relation.has_node() && !serves(filter) {
            true => TableProviderFilterPushDown::Unsupported,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(kind).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let cut = state.config().get_extension::<ReadCut>();
        let readable = cut.as_ref().and_then(|cut| cut.relations.get(&self.relation.id));
        match readable {
            Some(Readable::Events(slice)) => self.scan_events(state, slice, projection, filters, limit),
            Some(Readable::Rows(rows)) => self.scan_rows(rows, projection, filters, state.config().target_partitions()),
            None => Err(DataFusionError::Internal(format!("relation {} is not part of the cut", self.relation.name))),
        }
    }
}

impl RelationProvider {
    /// The rows that may meet the filters.
    fn scan_rows(
        &self,
        rows: &TableRows,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        partitions: usize,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        // A node may keep more columns, behind those that this statement sees.
        let seen: Vec<usize> = (0..self.schema.fields().len()).collect();
        let (columns, schema) = (projection.unwrap_or(&seen), projected(&self.schema, projection)?);
        let rows = match Access::to(&self.relation, &self.schema, rows, filters)? {
            Access::Among(rows) => rows,
            Access::Found { rows: found, .. } => {
                let batches = found.iter().map(|batch| batch.project(columns)).collect::<Result<Vec<_>, _>>()?;
                return in_memory(batches, schema, partitions);
            }
        };
        match rows.streamed() {
            // In files, and then in memory, one batch after the other.
            Some(snapshot) => segments::scan_rows(&snapshot, columns, schema, partitions),
            None => in_memory(rows.batches(Some(columns)).collect::<crate::error::Result<_>>()?, schema, partitions),
        }
    }

    fn scan_events(
        &self,
        state: &dyn Session,
        slice: &Slice,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let partitions = state.config().target_partitions();
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        let as_stored = !columns.iter().any(|c| is_changed(self.schema.field(*c).data_type()));
        let by_datafusion = |part: &&SegmentSlice| part.whole && as_stored && part.segment.path.is_some();
        let (files, others): (Vec<_>, Vec<_>) = slice.segments.iter().partition(by_datafusion);
        if !files.is_empty() {
            parts.push(self.scan_segments(state, &files, projection, filters, limit)?);
        }
        if !others.is_empty() {
            let others = others.into_iter().map(|part| part.segment.clone()).collect();
            parts.push(segments::scan(others, projected(&self.schema, projection)?, slice.range.clone(), partitions)?);
        }
        if !slice.tail.is_empty() || parts.is_empty() {
            let schema = projected(&self.schema, projection)?;
            parts.push(in_memory(slice.unsealed(&schema)?, schema, partitions)?);
        }
        match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            Some(last) => {
                parts.push(last);
                UnionExec::try_new(parts)
            }
            None => Err(DataFusionError::Internal("a scan has a part".into())),
        }
    }

    fn scan_segments(
        &self,
        state: &dyn Session,
        parts: &[&SegmentSlice],
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let options = TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..Default::default() };
        let mut source = ParquetSource::new(self.schema.clone()).with_table_parquet_options(options);
        if let Some(predicate) = conjunction(filters.to_vec()) {
            let schema = datafusion::common::DFSchema::try_from(self.schema.as_ref().clone())?;
            source = source.with_predicate(state.create_physical_expr(predicate, &schema)?);
        }
        let mut files = Vec::with_capacity(parts.len());
        let mut rows = 0;
        for part in parts {
            let segment = &part.segment;
            let path = segment.path.as_ref().ok_or_else(|| DataFusionError::NotImplemented("segments are not on this machine".into()))?;
            let path = object_store::path::Path::from_absolute_path(path).map_err(|e| DataFusionError::External(Box::new(e)))?;
            rows += segment.rows as usize;
            files.push(PartitionedFile::new(path.to_string(), segment.file.bytes));
        }
        let groups = FileGroup::new(files).split_files(state.config().target_partitions().max(1));
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Exact(rows);
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_limit(limit)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// The schema of a projection.
fn projected(schema: &SchemaRef, projection: Option<&Vec<usize>>) -> crate::error::Result<SchemaRef> {
    Ok(match projection {
        Some(columns) => schema.project(columns)?.into(),
        None => schema.clone(),
    })
}

/// A scan of batches in memory, dealt out over the partitions: the first rows are the first one's.
fn in_memory(batches: Vec<RecordBatch>, schema: SchemaRef, partitions: usize) -> DfResult<Arc<dyn ExecutionPlan>> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let each = rows.div_ceil(partitions.max(1)).max(LEAST_ROWS);
    let (mut dealt, mut last, mut room) = (Vec::new(), Vec::new(), each);
    for mut batch in batches {
        while batch.num_rows() > room {
            last.push(batch.slice(0, room));
            dealt.push(std::mem::take(&mut last));
            batch = batch.slice(room, batch.num_rows() - room);
            room = each;
        }
        room -= batch.num_rows();
        last.push(batch);
    }
    dealt.push(last);
    Ok(MemorySourceConfig::try_new_exec(&dealt, schema, None)?)
}

/// A system relation; its rows are made when it is scanned.
pub struct SystemProvider {
    /// Which one.
    pub relation: &'static SystemRelation,
    /// What it may know.
    pub context: Arc<dyn Fn() -> Arc<SystemContext> + Send + Sync>,
}

impl fmt::Debug for SystemProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.relation.schema, self.relation.name)
    }
}

#[async_trait]
impl TableProvider for SystemProvider {
    fn schema(&self) -> SchemaRef {
        (self.relation.columns)()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let batch = (self.relation.rows)(&(self.context)())?;
        let schema = batch.schema();
        Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], schema, projection.cloned())?)
    }
}
