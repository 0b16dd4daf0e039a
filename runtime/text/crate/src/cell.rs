//! Runs untrusted work in a process of its own: too much memory, too much time, an endless stack or a panic end that
//! process and become an error here.
//!
//! Why a process. Fuel counts instructions, and one instruction of a template can double a value, walk 10^12 elements or
//! recurse through a value as deep as the fuel. A check in each operator and filter would miss some; unwinding out of an
//! allocator is undefined behaviour; a thread cannot be stopped from outside. A forked child can end itself at any
//! instruction, takes its memory with it, and sees the template's variables without a copy.
//!
//! Why fork without exec is sound here. The child has one thread. It allocates (glibc makes its allocator usable in the
//! child of a threaded process), computes, writes to one shared mapping and leaves through _exit: no destructor, no
//! stdio, no lock that another thread could have held, except that of strftime; a child that waits for one is ended by
//! its alarm clock.

use crate::failure::{Failure, Kind, Outcome};
use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{addr_of_mut, null_mut};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// What a child may use beyond what the process has when it is forked.
#[derive(Clone, Copy)]
pub struct Allowance {
    pub memory: usize,
    /// Processor time: a busy machine makes no honest work fail.
    pub cpu: Duration,
    /// Bytes of the result.
    pub answer: usize,
    /// The work uses C code that allocates: the kernel bounds that memory, at twice `memory` and 64 MiB.
    pub c_code: bool,
}

/// Ends a child that waits instead of computing.
fn alarm(cpu: Duration) -> Duration {
    Duration::from_secs(10) + 4 * cpu
}
/// What malloc adds to an allocation, at most.
const PER_ALLOCATION: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    Memory,
    Time,
    Stack,
    /// Ended by another signal.
    Killed,
}

pub enum End {
    Answer(Vec<u8>),
    Excess(Excess),
    Panic,
}

const FAILED: u8 = 0;
const DONE: u8 = 1;

/// The result of a child's work: the bytes or the failure, then one byte that says which.
pub fn reply(outcome: Outcome<Vec<u8>>) -> Vec<u8> {
    let (last, mut bytes) = match outcome {
        Ok(bytes) => (DONE, bytes),
        Err(failure) => (FAILED, failure.to_bytes()),
    };
    bytes.push(last);
    bytes
}

impl End {
    /// What `reply` was given, or `lost` when the child had no answer.
    pub fn outcome(self, lost: impl FnOnce() -> Failure) -> Outcome<Vec<u8>> {
        let End::Answer(mut bytes) = self else { return Err(lost()) };
        match bytes.pop() {
            Some(DONE) => Ok(bytes),
            Some(_) => Err(Failure::from_bytes(&bytes)),
            None => Err(lost()),
        }
    }
}

const RUNNING: u32 = 0;
const ANSWERED: u32 = 1;
const MEMORY: u32 = 2;
const TIME: u32 = 3;
const STACK: u32 = 4;
const PANICKED: u32 = 5;

/// The start of the mapping that parent and child share; the answer's bytes follow.
#[repr(C)]
struct Header {
    state: AtomicU32,
    size: AtomicUsize,
    notes: Notes,
}

/// Two numbers that outlive the child, however it ends.
#[repr(C)]
pub struct Notes([AtomicU64; 2]);

impl Notes {
    pub fn set(&self, numbers: [u64; 2]) {
        self.0.iter().zip(numbers).rev().for_each(|(place, number)| place.store(number, Relaxed));
    }
}

/// In a child: where its end is noted. Null in the parent.
static CELL: AtomicPtr<Header> = AtomicPtr::new(null_mut());
static COUNTING: AtomicBool = AtomicBool::new(false);
static LEFT: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator; in a child it counts, and ends the process before an allocation that passes the allowance.
pub struct CountingAllocator;

fn charge(size: usize) {
    if COUNTING.load(Relaxed) {
        let size = isize::try_from(size.saturating_add(PER_ALLOCATION)).unwrap_or(isize::MAX);
        if LEFT.load(Relaxed) < size {
            leave(MEMORY);
        }
        LEFT.fetch_sub(size, Relaxed);
    }
}

fn credit(size: usize) {
    if COUNTING.load(Relaxed) {
        LEFT.fetch_add((size + PER_ALLOCATION) as isize, Relaxed);
    }
}

/// Of the program: what happens when the system gives no memory. Zero: the standard library aborts.
static ON_NO_MEMORY: AtomicUsize = AtomicUsize::new(0);

pub fn on_no_memory(handler: extern "C" fn()) {
    ON_NO_MEMORY.store(handler as *const () as usize, Relaxed);
}

/// Whoever could go on without the memory would not be told: nothing here asks with try_reserve for what it can do
/// without, and the standard library has no stable hook for its abort.
#[cold]
fn without_memory() {
    if !CELL.load(Relaxed).is_null() {
        leave(MEMORY);
    }
    let handler = ON_NO_MEMORY.load(Relaxed);
    if handler != 0 {
        // SAFETY: on_no_memory() stored a function.
        unsafe { std::mem::transmute::<usize, extern "C" fn()>(handler)() };
    }
}

fn given(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() {
        without_memory();
    }
    pointer
}

// SAFETY: every call goes to System with the same arguments; `charge` and `given` return or end the process, they never
// unwind.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        charge(layout.size());
        given(unsafe { System.alloc(layout) })
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        charge(layout.size());
        given(unsafe { System.alloc_zeroed(layout) })
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks may exist for a moment.
        charge(size);
        let moved = given(unsafe { System.realloc(pointer, layout, size) });
        credit(layout.size());
        moved
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) };
        credit(layout.size());
    }
}

/// Ends the child. Safe in a signal handler.
fn leave(state: u32) -> ! {
    let header = CELL.load(Relaxed);
    // SAFETY: set before counting and handlers start, to a mapping that lives as long as the child.
    if let Some(header) = unsafe { header.as_ref() } {
        let _ = header.state.compare_exchange(RUNNING, state, Relaxed, Relaxed);
    }
    unsafe { libc::_exit(1) }
}

extern "C" fn on_signal(signal: libc::c_int) {
    leave(if signal == libc::SIGSEGV || signal == libc::SIGBUS { STACK } else { TIME });
}

/// The shared mapping, unmapped when dropped.
struct Shared {
    base: *mut Header,
    bytes: usize,
}

impl Shared {
    fn map(answer: usize) -> Option<Self> {
        let bytes = size_of::<Header>() + answer;
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping of zeros, which is a valid Header.
        let base = unsafe { libc::mmap(null_mut(), bytes, access, flags | libc::MAP_NORESERVE, -1, 0) };
        (base != libc::MAP_FAILED).then_some(Shared { base: base.cast(), bytes })
    }

    fn header(&self) -> &Header {
        // SAFETY: mapped until self is dropped, and all fields are atomic.
        unsafe { &*self.base }
    }

    fn answer(&self) -> (*mut u8, usize) {
        // SAFETY: the mapping is as large as the header and the answer.
        (unsafe { self.base.add(1).cast() }, self.bytes - size_of::<Header>())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        unsafe { libc::munmap(self.base.cast(), self.bytes) };
    }
}

/// Runs `work` in a child and returns how it ended, and its notes. `work` sees this process's memory as it is now.
pub fn run(allowance: Allowance, work: impl FnOnce(&Notes) -> Vec<u8>) -> Outcome<(End, [u64; 2])> {
    let failed = || {
        let why = std::io::Error::last_os_error();
        Failure::new(Kind::Unavailable, "TX_PROCESS", format!("cannot start a process for untrusted work: {why}"))
    };
    let shared = Shared::map(allowance.answer).ok_or_else(failed)?;
    // SAFETY: the module's comment says what the child does and why it may.
    let parent = unsafe { libc::getpid() };
    let child = unsafe { libc::fork() };
    match child {
        -1 => return Err(failed()),
        0 => inside(&shared, allowance, parent, work),
        _ => {}
    }
    let mut status = 0;
    // ECHILD: this process ignores SIGCHLD or another thread was faster; the child has ended all the same.
    while unsafe { libc::waitpid(child, &mut status, 0) } < 0
        && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
    {}
    let header = shared.header();
    let notes = [0, 1].map(|i| header.notes.0[i].load(Relaxed));
    let end = match header.state.load(Relaxed) {
        ANSWERED => {
            let (bytes, room) = shared.answer();
            let size = header.size.load(Relaxed).min(room);
            // SAFETY: inside the mapping, and nobody writes any more.
            End::Answer(unsafe { std::slice::from_raw_parts(bytes, size) }.to_vec())
        }
        MEMORY => End::Excess(Excess::Memory),
        TIME => End::Excess(Excess::Time),
        STACK => End::Excess(Excess::Stack),
        PANICKED => End::Panic,
        _ if libc::WIFSIGNALED(status) && matches!(libc::WTERMSIG(status), libc::SIGKILL | libc::SIGXCPU) => {
            End::Excess(Excess::Time)
        }
        _ => End::Excess(Excess::Killed),
    };
    Ok((end, notes))
}

/// The child.
fn inside(shared: &Shared, allowance: Allowance, parent: i32, work: impl FnOnce(&Notes) -> Vec<u8>) -> ! {
    CELL.store(shared.base, Relaxed);
    // SAFETY: one thread; all structures are initialised before use.
    unsafe { confine(parent, allowance) };
    std::panic::set_hook(Box::new(|_| {}));
    LEFT.store(allowance.memory as isize, Relaxed);
    COUNTING.store(true, Relaxed);
    let Ok(answer) = catch_unwind(AssertUnwindSafe(|| work(&shared.header().notes))) else { leave(PANICKED) };
    let (bytes, room) = shared.answer();
    if answer.len() > room {
        leave(MEMORY);
    }
    // SAFETY: `room` bytes are mapped, and the parent reads only after this process has ended.
    unsafe { std::ptr::copy_nonoverlapping(answer.as_ptr(), bytes, answer.len()) };
    shared.header().size.store(answer.len(), Relaxed);
    leave(ANSWERED)
}

const ALTERNATE_STACK: usize = 64 << 10;
static mut ALTERNATE: [u8; ALTERNATE_STACK] = [0; ALTERNATE_STACK];

/// Clocks, handlers and limits of the child. Its parent's end is its own.
unsafe fn confine(parent: i32, allowance: Allowance) {
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != parent {
            libc::_exit(1);
        }
        libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
        // The kernel's own clock, should the timer's signal be held back.
        let ceiling = allowance.cpu.as_secs() + 2;
        libc::setrlimit(libc::RLIMIT_CPU, &libc::rlimit { rlim_cur: ceiling, rlim_max: ceiling });
        // Memory of C code (regular expressions), which the allocator does not see: it gets null.
        if let Some(now) = allowance.c_code.then(data_bytes).flatten() {
            let most = now + 2 * allowance.memory as u64 + (64 << 20);
            libc::setrlimit(libc::RLIMIT_DATA, &libc::rlimit { rlim_cur: most, rlim_max: most });
        }

        // A stack that has ended needs another one for its handler.
        let mut stack: libc::stack_t = std::mem::zeroed();
        stack.ss_sp = addr_of_mut!(ALTERNATE).cast();
        stack.ss_size = ALTERNATE_STACK;
        libc::sigaltstack(&stack, null_mut());
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        let mut wanted: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut wanted);
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGPROF, libc::SIGALRM] {
            libc::sigaction(signal, &action, null_mut());
            libc::sigaddset(&mut wanted, signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &wanted, null_mut());
        for (clock, time) in [(libc::ITIMER_PROF, allowance.cpu), (libc::ITIMER_REAL, alarm(allowance.cpu))] {
            let time = libc::timeval { tv_sec: time.as_secs() as _, tv_usec: time.subsec_micros().max(1) as _ };
            let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
            libc::setitimer(clock, &libc::itimerval { it_interval: never, it_value: time }, null_mut());
        }
    }
}

/// Private writable memory of this process.
fn data_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(5)?.parse().ok()?;
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    pages.checked_mul(page)
}
