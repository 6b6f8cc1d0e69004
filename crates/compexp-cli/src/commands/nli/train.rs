//! stub
use crate::nli_args::NliTrainArgs;
use crate::progress::Reporter;
pub(crate) fn run(_: &NliTrainArgs, _: &Reporter) -> anyhow::Result<()> {
    anyhow::bail!("stub")
}
