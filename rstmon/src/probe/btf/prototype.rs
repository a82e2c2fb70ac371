//! Which functions the kernel has, and how many parameters a tracepoint has.
//!
//! For each tracepoint the kernel (`include/trace/bpf_probe.h`) defines a type
//! `typedef void (*btf_trace_<name>)(void *, <its parameters>)`, the prototype that the verifier checks a `tp_btf`
//! program against.

use super::{
    Btf,
    header::u32_at,
    record::{PAIR, TypeKind, TypeRecord},
};

impl Btf<'_> {
    /// Whether the kernel has a function `name`. It may be static; one that was inlined everywhere is absent.
    #[must_use]
    pub(crate) fn has_function(&self, name: &str) -> bool {
        self.named(&self.functions, name).next().is_some()
    }

    /// The number of arguments that a `tp_btf` program on `tracepoint` gets: that of `btf_trace_<tracepoint>` without
    /// the leading `void *`, which the kernel keeps to itself.
    #[must_use]
    pub(crate) fn tracepoint_arity(&self, tracepoint: &str) -> Option<u32> {
        self.named(&self.typedefs, &format!("btf_trace_{tracepoint}")).find_map(|typedef| {
            let pointer = self.strip(typedef.size_or_type).filter(|record| record.kind == TypeKind::Ptr)?;
            let prototype = self.record(pointer.size_or_type).filter(|record| record.kind == TypeKind::FuncProto)?;
            self.begins_with_void_pointer(&prototype).then(|| prototype.count - 1)
        })
    }

    fn begins_with_void_pointer(&self, prototype: &TypeRecord) -> bool {
        // `struct btf_param { u32 name; u32 type; }`
        let first = u32_at(self.sections.types, prototype.body + PAIR / 2).filter(|_| prototype.count > 0);
        let pointer = first.and_then(|id| self.strip(id)).filter(|record| record.kind == TypeKind::Ptr);
        pointer.is_some_and(|pointer| self.is_void(pointer.size_or_type))
    }
}
