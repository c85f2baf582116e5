//! pg_sleep(seconds) and its kin (manual, chapter 9.9.5): waits without holding a thread, so that a cancel or a timeout ends it at once.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, StringViewArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type, IntervalMonthDayNanoType};
use async_trait::async_trait;
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::data::PgType;
use crate::error::{Error, Result, code};

/// Longest sleep, in seconds: what a timer can hold.
const SECONDS_MAX: f64 = 1e9;

/// `pg_sleep(seconds)` and `pg_sleep_for(interval)`.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let udf = |name| {
        let sleep = Sleep { name, signature: Signature::any(1, Volatility::Volatile) };
        Arc::new(AsyncScalarUDF::new(Arc::new(sleep)).into_scalar_udf())
    };
    vec![udf("pg_sleep"), udf("pg_sleep_for")]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sleep {
    name: &'static str,
    signature: Signature,
}

impl Sleep {
    /// What a row waits, in seconds; 0 for NULL and for what is negative.
    fn seconds(&self, args: &ScalarFunctionArgs) -> DfResult<Vec<f64>> {
        let array = args.args.first().map_or_else(|| Ok(new_null_array(&DataType::Null, 1)), |a| a.to_array(args.number_rows))?;
        if let DataType::Interval(_) = array.data_type() {
            let array = array.as_primitive::<IntervalMonthDayNanoType>();
            let seconds = |v: arrow::datatypes::IntervalMonthDayNano| {
                (f64::from(v.months) * 30.0 + f64::from(v.days)) * 86_400.0 + v.nanoseconds as f64 / 1e9
            };
            return Ok(array.iter().map(|v| v.map_or(0.0, seconds)).collect());
        }
        let array = cast(&array, &DataType::Float64)?;
        Ok(array.as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(0.0)).collect())
    }

    fn duration(seconds: f64) -> Result<Duration> {
        let fits = seconds.is_finite() && seconds <= SECONDS_MAX;
        let wrong = || Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("cannot sleep for {seconds} seconds"));
        if fits { Ok(Duration::from_secs_f64(seconds.max(0.0))) } else { Err(wrong().hint("Sleep for fewer seconds.")) }
    }
}

impl ScalarUDFImpl for Sleep {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        let fits = match (self.name, types) {
            ("pg_sleep", [t]) => t.is_numeric() || t.is_null(),
            (_, [t]) => matches!(t, DataType::Interval(_)) || t.is_null(),
            _ => false,
        };
        if fits {
            return Ok(PgType::Void.arrow());
        }
        let names: Vec<String> = types.iter().map(|t| PgType::of_arrow(t).to_string()).collect();
        let error = Error::new(code::UNDEFINED_FUNCTION, format!("function {}({}) does not exist", self.name, names.join(", ")));
        Err(error.hint("No function matches the given name and argument types. You might need to add explicit type casts.").into())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        self.return_type(&args.arg_fields.iter().map(|f| f.data_type().clone()).collect::<Vec<_>>())?;
        Ok(Arc::new(PgType::Void.field(self.name, true)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Err(Error::internal("a sleep is awaited").into())
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Sleep {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        for seconds in self.seconds(&args)? {
            tokio::time::sleep(Self::duration(seconds)?).await;
        }
        let nothing = StringViewArray::from_iter_values(std::iter::repeat_n("", args.number_rows));
        Ok(ColumnarValue::Array(Arc::new(nothing)))
    }
}
