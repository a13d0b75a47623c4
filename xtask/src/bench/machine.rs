//! The machine that measures: the name of its file, and its description for readers.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::{env::consts::ARCH, fs, num::NonZero, process::Command, thread};

/// A processor as a program sees it, and the number of threads that were used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Machine {
    /// The microarchitecture in lower case with hyphens, `emerald-rapids`; the processor's name where it is not known.
    pub(super) family: String,
    /// The cores that the program may use.
    pub(super) cores: usize,
    /// The instruction set that keops chooses, as its tracing events call it.
    pub(super) instructions: String,
    /// The threads of each side.
    pub(super) threads: usize,
    /// The name that the processor gives itself.
    pub(super) processor: String,
    /// A note for readers, which is written by hand and kept when the machine is measured again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

impl Machine {
    /// The machine that this program runs on, with a number of threads; all cores by default.
    pub(super) fn here(threads: Option<NonZero<usize>>) -> Result<Self> {
        let cores = thread::available_parallelism().context("the number of cores is unknown")?;
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = field(&cpuinfo, "model name").map_or_else(brand, str::to_owned);
        Ok(Machine {
            family: family(&cpuinfo).map_or_else(|| slug(&processor), str::to_owned),
            cores: cores.get(),
            instructions: instructions().to_owned(),
            threads: threads.unwrap_or(cores).get(),
            processor,
            note: None,
        })
    }

    /// The name of the machine's files: family, cores and instruction set, and the threads unless there is one for each core.
    pub(super) fn name(&self) -> String {
        let Machine { family, cores, instructions, threads, .. } = self;
        let mut name = format!("{family}-{cores}-{instructions}");
        if threads != cores {
            name += &format!("-{}", count(*threads, "thread").replace(' ', "-"));
        }
        name
    }

    /// The description for readers.
    pub(super) fn title(&self) -> String {
        let words = self.family.split('-').map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        });
        let family = words.collect::<Vec<String>>().join(" ");
        let instructions = match &*self.instructions {
            "avx512" => "AVX-512",
            "avx2" => "AVX2",
            "neon" => "NEON",
            "scalar" => "scalar code",
            other => other,
        };
        let note = self.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
        format!("{family}, {}, {instructions}{note}, {}", count(self.cores, "core"), count(self.threads, "thread"))
    }
}

/// A number with its noun.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The instruction set that keops chooses on this processor.
fn instructions() -> &'static str {
    match pulp::Arch::new() {
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V4(_) => "avx512",
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V3(_) => "avx2",
        #[cfg(target_arch = "aarch64")]
        pulp::Arch::Neon(_) => "neon",
        _ => "scalar",
    }
}

/// The processor's name where there is no /proc/cpuinfo, or none in it: macOS and Windows have their own places.
fn brand() -> String {
    let sysctl = Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output();
    let brand = sysctl.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let brand = brand.and_then(|bytes| String::from_utf8(bytes).ok()).map(|text| text.trim().to_owned());
    brand.filter(|brand| !brand.is_empty()).or(std::env::var("PROCESSOR_IDENTIFIER").ok()).unwrap_or(ARCH.to_owned())
}

/// A name for files: letters and digits in lower case, with a hyphen in the place of other characters.
fn slug(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

/// The first value of a field of /proc/cpuinfo.
fn field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    cpuinfo.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        (field.trim() == name).then(|| value.trim())
    })
}

/// The microarchitecture, by the numbers that the processor gives itself: virtual machines hide its name, but not these.
fn family(cpuinfo: &str) -> Option<&'static str> {
    let number = |name| field(cpuinfo, name)?.parse::<u32>().ok();
    let hexadecimal = |name| u32::from_str_radix(field(cpuinfo, name)?.strip_prefix("0x")?, 16).ok();
    match field(cpuinfo, "vendor_id") {
        Some("GenuineIntel") if number("cpu family") == Some(6) => intel(number("model")?, number("stepping")?),
        Some("AuthenticAMD") => amd(number("cpu family")?, number("model")?),
        _ if hexadecimal("CPU implementer") == Some(0x41) => arm(hexadecimal("CPU part")?),
        _ => None,
    }
}

fn intel(model: u32, stepping: u32) -> Option<&'static str> {
    Some(match model {
        60 | 63 | 69 | 70 => "haswell",
        61 | 71 | 79 | 86 => "broadwell",
        78 | 94 => "skylake",
        85 if stepping < 5 => "skylake",
        85 if stepping < 10 => "cascade-lake",
        85 => "cooper-lake",
        142 | 158 => "kaby-lake",
        165 | 166 => "comet-lake",
        106 | 108 | 125 | 126 => "ice-lake",
        140 | 141 => "tiger-lake",
        167 => "rocket-lake",
        143 => "sapphire-rapids",
        207 => "emerald-rapids",
        173 | 174 => "granite-rapids",
        175 => "sierra-forest",
        151 | 154 => "alder-lake",
        183 | 186 | 191 => "raptor-lake",
        170 | 172 => "meteor-lake",
        189 => "lunar-lake",
        197 | 198 => "arrow-lake",
        _ => return None,
    })
}

fn amd(family: u32, model: u32) -> Option<&'static str> {
    Some(match (family, model) {
        (0x17, 0x00..0x30) => "zen",
        (0x17, _) => "zen-2",
        (0x19, 0x10..0x20 | 0x60..0x80 | 0xa0..0xb0) => "zen-4",
        (0x19, _) => "zen-3",
        (0x1a, 0x00..0x30 | 0x40..0x50 | 0x60..0x80) => "zen-5",
        _ => return None,
    })
}

fn arm(part: u32) -> Option<&'static str> {
    Some(match part {
        0xd08 => "cortex-a72",
        0xd0b => "cortex-a76",
        0xd0c => "neoverse-n1",
        0xd40 => "neoverse-v1",
        0xd49 => "neoverse-n2",
        0xd4f => "neoverse-v2",
        0xd84 => "neoverse-v3",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpuinfo(fields: &[(&str, &str)]) -> String {
        fields.iter().map(|(name, value)| format!("{name}\t: {value}\n")).collect()
    }

    #[test]
    fn families_are_told_by_numbers() {
        let intel = |model, stepping| {
            let fields = [("vendor_id", "GenuineIntel"), ("cpu family", "6"), ("model", model), ("stepping", stepping)];
            family(&cpuinfo(&fields))
        };
        assert_eq!(intel("207", "2"), Some("emerald-rapids"));
        assert_eq!(intel("106", "6"), Some("ice-lake"));
        assert_eq!(intel("85", "4"), Some("skylake"));
        assert_eq!(intel("85", "7"), Some("cascade-lake"));
        assert_eq!(intel("1", "0"), None);
        let amd = |family_number, model| {
            family(&cpuinfo(&[("vendor_id", "AuthenticAMD"), ("cpu family", family_number), ("model", model)]))
        };
        assert_eq!(amd("25", "17"), Some("zen-4"));
        assert_eq!(amd("25", "1"), Some("zen-3"));
        assert_eq!(amd("26", "80"), None);
        assert_eq!(family(&cpuinfo(&[("CPU implementer", "0x41"), ("CPU part", "0xd4f")])), Some("neoverse-v2"));
        assert_eq!(family(""), None);
    }

    #[test]
    fn a_name_has_family_cores_and_instructions() {
        let machine = Machine {
            family: "emerald-rapids".to_owned(),
            cores: 2,
            instructions: "avx512".to_owned(),
            threads: 2,
            processor: "Intel(R) Xeon(R) Processor".to_owned(),
            note: None,
        };
        assert_eq!(machine.name(), "emerald-rapids-2-avx512");
        assert_eq!(machine.title(), "Emerald Rapids, 2 cores, AVX-512, 2 threads");
        let one = Machine { threads: 1, ..machine };
        assert_eq!(one.name(), "emerald-rapids-2-avx512-1-thread");
        assert_eq!(slug("Apple M2 (Virtual)"), "apple-m2-virtual");
        let here = Machine::here(None).unwrap();
        assert!(here.threads == here.cores && !here.family.is_empty());
    }
}
