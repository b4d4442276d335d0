//! Injects results of system calls, to simulate file systems without some features, failing disks, and kills at a certain
//! step. The results come from a seccomp filter, which processes inherit from the thread that starts them.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// A system call, and its injected result.
pub struct Denied {
    call: i64,
    /// The condition on an argument under which the result is injected.
    condition: Option<(u8, SeccompCmpOp, u64)>,
    action: SeccompAction,
}

impl Denied {
    /// The call fails with this error, or has no effect and succeeds if the error is 0.
    pub fn error(call: i64, errno: i32) -> Denied {
        Denied { call, condition: None, action: SeccompAction::Errno(errno as u32) }
    }

    /// The process is killed.
    pub fn kill(call: i64) -> Denied {
        Denied { call, condition: None, action: SeccompAction::KillProcess }
    }

    /// The argument with this number is at least this value.
    pub fn from(self, argument: u8, least: u64) -> Denied {
        Denied { condition: Some((argument, SeccompCmpOp::Ge, least)), ..self }
    }

    /// The argument with this number has all these bits set.
    pub fn with_bits(self, argument: u8, bits: u64) -> Denied {
        Denied { condition: Some((argument, SeccompCmpOp::MaskedEq(bits), bits)), ..self }
    }

    fn apply(self) {
        let condition = |(argument, operator, value)| {
            SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value).expect("a condition")
        };
        let rule = self.condition.map(|condition_| SeccompRule::new(vec![condition(condition_)]).expect("a rule"));
        let rules = [(self.call, rule.into_iter().collect())].into_iter().collect();
        let architecture = std::env::consts::ARCH.try_into().expect("an architecture with seccomp");
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, self.action, architecture);
        let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
        apply_filter(&program).expect("seccomp is there");
    }
}

/// Calls `run` on a thread with these injected results, which also apply to the processes that it starts.
pub fn without<R: Send>(denied: impl IntoIterator<Item = Denied>, run: impl FnOnce() -> R + Send) -> R {
    let denied: Vec<Denied> = denied.into_iter().collect();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            denied.into_iter().for_each(Denied::apply);
            run()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
