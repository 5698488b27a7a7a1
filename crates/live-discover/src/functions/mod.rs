//! The functions that queries can call.

use datafusion::execution::SessionState;

use crate::error::Result;

/// Registers what queries can call beyond what DataFusion brings.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    datafusion_functions_json::register_all(state)?;
    Ok(())
}
