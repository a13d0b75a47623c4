//! The assembly of kernels by NVIDIA's `ptxas`, where the program is built. Without it the driver takes a tenth of a second for a
//! kernel that it has not compiled before.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, bail};

use keops_compiler::emit::device::Fingerprint;

use crate::{Built, make_whole, report, write_whole};

/// The advice where there is no assembler.
pub const HELP: &str = "no ptxas: install a CUDA toolkit, or `pip install --no-deps nvidia-cuda-nvcc`, and put its folder on the \
                        path or name the program by KEOPS_PTXAS";

/// The assembler of modules, and the architectures that it assembles them for.
pub(crate) struct Assembler<'a> {
    archs: BTreeSet<&'a String>,
    ptxas: PathBuf,
}

impl<'a> Assembler<'a> {
    /// The assembler for these architectures; `None` if there are none.
    ///
    /// # Errors
    /// A name is no architecture; there is no assembler.
    pub(crate) fn new(archs: &'a [String]) -> Result<Option<Self>> {
        for arch in archs {
            // kernels for `sm_90a` run on no other device, and are not chosen by a number
            if arch.strip_prefix("sm_").is_none_or(|number| number.parse::<u32>().is_err()) {
                bail!("{arch} is no architecture like sm_90");
            }
        }
        let find = || Ok(Self { archs: archs.iter().collect(), ptxas: report::ptxas().context(HELP)? });
        (!archs.is_empty()).then(find).transpose()
    }

    /// Assembles all modules. The binaries go to another folder, `<name>.sm_90.cubin` beside `<name>.ptx`.
    pub(crate) fn assembled(&self, built: Built) -> Result<Built> {
        let Self { archs, ptxas } = self;
        let version = Command::new(ptxas).arg("--version").output().context("ptxas does not start")?.stdout;
        let mut assembler = Fingerprint::default();
        archs.iter().for_each(|arch| assembler.text(arch));
        assembler.bytes(&version);
        let name = built.folder.file_name().unwrap_or_default().to_string_lossy();
        let folder = built.folder.with_file_name(format!("{name}-{assembler}"));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let mut missing = Vec::new();
        for module in &built.modules {
            let ptx = folder.join(format!("{module}.ptx"));
            let text = fs::read(built.folder.join(format!("{module}.ptx"))).with_context(|| module.clone())?;
            // a newer file would have the program compiled again
            if fs::read(&ptx).ok().as_ref() != Some(&text) {
                write_whole(&ptx, &text)?;
            }
            let of_archs = archs.iter().map(|arch| (arch, folder.join(format!("{module}.{arch}.cubin"))));
            missing
                .extend(of_archs.filter(|(_, cubin)| !cubin.is_file()).map(|(arch, cubin)| (ptx.clone(), arch, cubin)));
        }
        let fresh = built.fresh && missing.is_empty();
        in_parallel(&missing, |(ptx, arch, cubin)| {
            make_whole(cubin, |unfinished| report::cubin_of(ptxas, ptx, arch, unfinished).map(drop))
        })?;
        Ok(Built { folder, fresh, ..built })
    }
}

/// Does all jobs, on as many threads as there are cores. Returns the first error.
fn in_parallel<J: Sync>(jobs: &[J], job: impl Fn(&J) -> Result<()> + Sync) -> Result<()> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || {
        while let Some(one) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = job(one) {
                next.store(jobs.len(), Ordering::Relaxed);
                failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores.min(jobs.len()) {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_architecture_is_refused() {
        assert!(Assembler::new(&[]).is_ok_and(|assembler| assembler.is_none()), "nothing needs no assembler");
        for arch in ["sm_90a", "sm_", "90", "compute_90", ""] {
            let error = Assembler::new(&["sm_80".to_owned(), arch.to_owned()]).err().map(|error| error.to_string());
            assert_eq!(error, Some(format!("{arch} is no architecture like sm_90")));
        }
    }

    #[test]
    fn an_error_of_a_job_is_that_of_all() {
        let done = AtomicUsize::new(0);
        let jobs: Vec<usize> = (0..100).collect();
        let all = in_parallel(&jobs, |job| {
            done.fetch_add(*job, Ordering::Relaxed);
            Ok(())
        });
        assert!(all.is_ok() && done.into_inner() == 4950);
        let error = in_parallel(&jobs, |&job| if job == 7 { bail!("job {job}") } else { Ok(()) });
        assert_eq!(error.unwrap_err().to_string(), "job 7");
    }
}
