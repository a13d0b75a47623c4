//! A device with its memory and modules: the interface for Rust.
//!
//! Contract: everything is done when a call returns. After a fault of a kernel all further calls that touch memory,
//! modules or kernels give the same error, as on a real device, unless [`Options::forgive`] is set.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, code};
use crate::machine::{self, Grid, Launch};
use crate::memory::{GlobalMemory, Owner};
use crate::parse;
use crate::program::{Initial, Program, Space};
use crate::shared::SharedMemory;

/// Shared memory that a block can have without asking for more.
pub(crate) const SHARED_DEFAULT: u32 = 48 << 10;
/// The most shared memory that a block can ask for.
pub(crate) const SHARED_MOST: u32 = 227 << 10;
/// The most local memory of a thread, in bytes.
pub(crate) const LOCAL_MOST: u64 = 512 << 10;
/// The most threads of a block.
pub(crate) const THREADS_MOST: u32 = 1024;

/// The memory, the limits and the checks of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of memory.
    pub memory: u64,
    /// Instructions that one launch may run.
    pub steps: u64,
    /// Reading a register that was not written is a fault.
    pub strict_registers: bool,
    /// Calls after a fault work.
    pub forgive: bool,
    /// Print faults to the standard error.
    pub print: bool,
    /// A file to which the name of each kernel is added when it has first run, so that tests can tell what they ran.
    pub launches: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // As much as devices have that reserve local memory for all their threads. The host's memory is taken when some is
            // allocated.
            memory: 64 << 30,
            steps: 4_000_000_000,
            strict_registers: false,
            forgive: false,
            print: true,
            launches: None,
        }
    }
}

impl Options {
    /// The options that the environment asks for: `KEOPS_EMULATOR_MEMORY`, `KEOPS_EMULATOR_STEPS`,
    /// `KEOPS_EMULATOR_STRICT_REGISTERS=1`, `KEOPS_EMULATOR_FORGIVE=1` and `KEOPS_EMULATOR_LAUNCHES`.
    pub fn from_env() -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let default = Self::default();
        Self {
            memory: number("KEOPS_EMULATOR_MEMORY").unwrap_or(default.memory),
            steps: number("KEOPS_EMULATOR_STEPS").unwrap_or(default.steps),
            strict_registers: number("KEOPS_EMULATOR_STRICT_REGISTERS") == Some(1),
            forgive: number("KEOPS_EMULATOR_FORGIVE") == Some(1),
            print: true,
            launches: std::env::var_os("KEOPS_EMULATOR_LAUNCHES").map(PathBuf::from),
        }
    }
}

/// A loaded module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Module(pub(crate) u64);

/// A kernel of a loaded module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    pub(crate) module: Module,
    pub(crate) function: u32,
}

/// The resources that a kernel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Bytes of static shared memory.
    pub shared: u64,
    /// Bytes of local memory of a thread.
    pub local: u64,
    /// Virtual registers of a thread.
    pub registers: u32,
    /// The most threads of a block.
    pub threads: u32,
}

#[derive(Debug)]
struct LoadedModule {
    program: Arc<Program>,
    addresses: HashMap<u32, u64>,
    /// The dynamic shared memory that the program asked for, by kernel.
    dynamic: HashMap<u32, u32>,
}

/// An emulated device.
#[derive(Debug)]
pub struct Device {
    options: Options,
    memory: GlobalMemory,
    shared: SharedMemory,
    modules: HashMap<Module, LoadedModule>,
    next: u64,
    /// The names of the kernels that have run.
    launched: HashSet<String>,
    fault: Option<Error>,
    last: String,
}

impl Device {
    /// A device with empty memory.
    pub fn new(options: Options) -> Self {
        Self::numbered(options, 0)
    }

    /// A device of several; no two of them use the same addresses.
    pub(crate) fn numbered(options: Options, number: u64) -> Self {
        let memory = GlobalMemory::new(options.memory, number);
        Self {
            options,
            memory,
            shared: SharedMemory::default(),
            modules: HashMap::new(),
            next: 1,
            launched: HashSet::new(),
            fault: None,
            last: String::new(),
        }
    }

    /// Returns the error of an earlier fault, which stays.
    pub fn check(&self) -> Result<(), Error> {
        match &self.fault {
            Some(fault) if !self.options.forgive => Err(fault.clone()),
            _ => Ok(()),
        }
    }

    /// Keeps the text of an error.
    pub(crate) fn note(&mut self, error: &Error) {
        if self.options.print {
            eprintln!("keops emulator: {error}");
        }
        self.last.clone_from(&error.text);
    }

    /// The text of the last fault or refused module.
    pub fn last_error(&self) -> &str {
        &self.last
    }

    /// The bytes that are allocated and not freed.
    pub fn live_bytes(&self) -> u64 {
        self.memory.live()
    }

    /// The bytes of memory in all.
    pub fn capacity(&self) -> u64 {
        self.memory.capacity()
    }

    /// Allocates memory and gives its address.
    pub fn allocate(&mut self, bytes: u64) -> Result<u64, Error> {
        self.check()?;
        self.memory.allocate(bytes, Owner::User)
    }

    /// Allocates host memory that the device reaches at the same address.
    pub fn allocate_host(&mut self, bytes: u64) -> Result<u64, Error> {
        self.check()?;
        self.memory.allocate_host(bytes)
    }

    /// Frees memory that [`Self::allocate`] or [`Self::allocate_host`] returned.
    pub fn free(&mut self, address: u64) -> Result<(), Error> {
        self.check()?;
        self.memory.free(address, &[Owner::User, Owner::Host])
    }

    /// The first address and the size of the allocation around an address.
    pub fn range(&self, address: u64) -> Option<(u64, u64)> {
        self.memory.range(address)
    }

    /// Memory of the device as bytes. The host may look at them and change them.
    pub fn bytes(&mut self, address: u64, size: u64) -> Result<&mut [u8], Error> {
        self.check()?;
        if size == 0 {
            return Ok(&mut []);
        }
        // The driver refuses a copy out of bounds and goes on; only kernels leave the context broken.
        self.memory.bytes(address, size).map_err(|fault| Error::new(code::INVALID_VALUE, fault.text))
    }

    /// Copies bytes to the device.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        self.bytes(address, bytes.len() as u64)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Copies bytes from the device.
    pub fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        bytes.copy_from_slice(self.bytes(address, bytes.len() as u64)?);
        Ok(())
    }

    /// Copies bytes within the device.
    pub fn copy(&mut self, to: u64, from: u64, size: u64) -> Result<(), Error> {
        let bytes = self.bytes(from, size)?.to_vec();
        self.write(to, &bytes)
    }

    /// Loads PTX text.
    pub fn load(&mut self, text: &str) -> Result<Module, Error> {
        self.check()?;
        let program = parse::program(text, self.options.strict_registers).inspect_err(|error| self.note(error))?;
        let mut addresses = HashMap::new();
        for (number, variable) in program.variables.iter().enumerate() {
            if matches!(variable.space, Space::Global | Space::Constant) {
                let address = self.memory.allocate(variable.size.max(1), Owner::Module)?;
                addresses.insert(number as u32, address);
            }
        }
        for (number, address) in &addresses {
            let variable = &program.variables[*number as usize];
            let bytes = self.memory.bytes(*address, variable.size.max(1)).map_err(|fault| *fault)?;
            bytes.fill(0);
            for (offset, size, value) in &variable.initial {
                let value = match *value {
                    Initial::Number(value) => value,
                    Initial::Address { variable, addend, mask } => {
                        let address = addresses.get(&variable).copied().unwrap_or(0).wrapping_add(addend as u64);
                        (address & mask) >> mask.trailing_zeros().min(63)
                    }
                };
                let (from, size) = (*offset as usize, *size as usize);
                bytes[from..from + size].copy_from_slice(&value.to_le_bytes()[..size]);
            }
        }
        let module = Module(self.next);
        self.next += 1;
        self.modules.insert(module, LoadedModule { program: Arc::new(program), addresses, dynamic: HashMap::new() });
        Ok(module)
    }

    /// Unloads a module and its variables.
    pub fn unload(&mut self, module: Module) -> Result<(), Error> {
        let loaded = self.modules.remove(&module).ok_or_else(no_module)?;
        loaded.addresses.values().try_for_each(|address| self.memory.free(*address, &[Owner::Module]))
    }

    fn loaded(&self, module: Module) -> Result<&LoadedModule, Error> {
        self.modules.get(&module).ok_or_else(no_module)
    }

    /// A kernel by its name.
    pub fn kernel(&self, module: Module, name: &str) -> Result<Kernel, Error> {
        let loaded = self.loaded(module)?;
        match loaded.program.names.get(name) {
            Some(&function) if loaded.program.functions[function as usize].entry => Ok(Kernel { module, function }),
            _ => Err(Error::new(code::NOT_FOUND, format!("no kernel {name}"))),
        }
    }

    /// The address and the size of a global variable.
    pub fn global(&self, module: Module, name: &str) -> Result<(u64, u64), Error> {
        let loaded = self.loaded(module)?;
        let found = loaded.program.variables.iter().position(|variable| variable.name == name);
        let address = found.and_then(|number| loaded.addresses.get(&(number as u32)));
        match (found, address) {
            (Some(number), Some(&address)) => Ok((address, loaded.program.variables[number].size)),
            _ => Err(Error::new(code::NOT_FOUND, format!("no global variable {name}"))),
        }
    }

    /// The sizes of the parameters of a kernel, in bytes.
    pub fn parameters(&self, kernel: Kernel) -> Result<Vec<u64>, Error> {
        let program = &self.loaded(kernel.module)?.program;
        Ok(program.functions[kernel.function as usize].parameters.iter().map(|formal| formal.size).collect())
    }

    /// The resources that a kernel needs.
    pub fn needs(&self, kernel: Kernel) -> Result<Needs, Error> {
        let program = &self.loaded(kernel.module)?.program;
        let functions = program.reachable(kernel.function);
        let local = functions.iter().map(|number| program.functions[*number as usize].local_bytes).sum();
        let function = &program.functions[kernel.function as usize];
        Ok(Needs {
            shared: program.shared_layout(kernel.function).1,
            local,
            registers: function.slots,
            threads: function.max_threads.unwrap_or(THREADS_MOST),
        })
    }

    /// Lets a kernel use more dynamic shared memory than 48 KiB.
    pub fn allow_shared(&mut self, kernel: Kernel, bytes: u32) -> Result<(), Error> {
        let fixed = self.needs(kernel)?.shared;
        if u64::from(bytes) + fixed > u64::from(SHARED_MOST) {
            return Err(Error::new(code::INVALID_VALUE, format!("{bytes} bytes of dynamic shared memory")));
        }
        if let Some(loaded) = self.modules.get_mut(&kernel.module) {
            loaded.dynamic.insert(kernel.function, bytes);
        }
        Ok(())
    }

    /// The dynamic shared memory that a kernel may use.
    pub fn allowed_shared(&self, kernel: Kernel) -> Result<u32, Error> {
        let fixed = self.needs(kernel)?.shared as u32;
        let asked = self.loaded(kernel.module)?.dynamic.get(&kernel.function).copied();
        Ok(asked.unwrap_or(0).max(SHARED_DEFAULT.saturating_sub(fixed)))
    }

    /// Runs a kernel, and returns the number of PTX instructions that it took. `arguments` has the bytes of each
    /// parameter.
    pub fn launch(&mut self, kernel: Kernel, grid: Grid, arguments: &[&[u8]]) -> Result<u64, Error> {
        self.check()?;
        let refused = |text: String| Err(Error::new(code::INVALID_VALUE, text));
        let loaded = self.loaded(kernel.module)?;
        let program = Arc::clone(&loaded.program);
        let addresses = loaded.addresses.clone();
        let function = &program.functions[kernel.function as usize];
        let threads = grid.threads.iter().map(|n| u64::from(*n)).fold(1, u64::saturating_mul);
        let most = u64::from(function.max_threads.unwrap_or(THREADS_MOST));
        if threads == 0 || threads > most || grid.threads[2] > 64 {
            return refused(format!("blocks of {:?} threads, of at most {most}", grid.threads));
        }
        if grid.blocks.contains(&0) || grid.blocks[0] > i32::MAX as u32 || grid.blocks[1..].iter().any(|n| *n > 65535) {
            return refused(format!("grid of {:?} blocks", grid.blocks));
        }
        let allowed = self.allowed_shared(kernel)?;
        if grid.shared > allowed {
            return refused(format!("{} bytes of dynamic shared memory, of at most {allowed}", grid.shared));
        }
        let local = self.needs(kernel)?.local;
        if local > LOCAL_MOST {
            return refused(format!("{local} bytes of local memory for each thread, of at most {LOCAL_MOST}"));
        }
        let sizes: Vec<usize> = function.parameters.iter().map(|formal| formal.size as usize).collect();
        if sizes != arguments.iter().map(|bytes| bytes.len()).collect::<Vec<_>>() {
            return refused(format!("kernel {} takes parameters of {sizes:?} bytes", function.name));
        }
        let mut bytes = vec![0; function.parameters.last().map_or(0, |last| last.offset + last.size) as usize];
        for (formal, argument) in function.parameters.iter().zip(arguments) {
            bytes[formal.offset as usize..][..argument.len()].copy_from_slice(argument);
        }
        let launch = Launch {
            program: &program,
            kernel: kernel.function,
            grid,
            arguments: &bytes,
            addresses: &addresses,
            steps: self.options.steps,
            strict: self.options.strict_registers,
        };
        let steps = machine::launch(&launch, &mut self.memory, &mut self.shared).inspect_err(|error| {
            self.note(error);
            self.fault = Some(error.clone());
        })?;
        self.record(&function.name)?;
        Ok(steps)
    }

    /// Adds the name of a kernel that has run to the file that is asked for.
    fn record(&mut self, name: &str) -> Result<(), Error> {
        let Some(path) = &self.options.launches else { return Ok(()) };
        if !self.launched.insert(name.to_owned()) {
            return Ok(());
        }
        // one write for a line, since several processes may have the file
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let result = file.and_then(|mut file| file.write_all(format!("{name}\n").as_bytes()));
        result.map_err(|error| Error::new(code::OPERATING_SYSTEM, format!("{}: {error}", path.display())))
    }
}

fn no_module() -> Error {
    Error::new(code::INVALID_HANDLE, "no such module")
}
