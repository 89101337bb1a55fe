;; WASI preview 1 with nothing behind it, for the runtime of Go. It calls nothing of the module and keeps nothing in its
;; memory: Go's heap takes all that is beyond its data, and Go's functions cannot be called before the runtime runs.
;; Functions that always fail are added to it (FAILING in preview1.rs).
(module
  (import "env" "memory" (memory 0))
  (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $get_stderr (result i32)))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $blocking_write (param i32 i32 i32 i32)))

  (global $clock (mut i64) (i64.const 0))
  (global $random (mut i64) (i64.const 0x6c6c6d686f737403))
  (global $stderr (mut i32) (i32.const -1))

  ;; One byte range to standard error. The answer needs 12 bytes of the module's memory, which are put back.
  (func $write (param $from i32) (param $bytes i32)
    (local $first i64) (local $second i32) (local $now i32)
    (if (i32.eq (global.get $stderr) (i32.const -1)) (then (global.set $stderr (call $get_stderr))))
    (local.set $first (i64.load (i32.const 16)))
    (local.set $second (i32.load (i32.const 24)))
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $bytes)))
        ;; At most 4096 bytes at a time.
        (local.set $now (select (i32.const 4096) (local.get $bytes) (i32.gt_u (local.get $bytes) (i32.const 4096))))
        (call $blocking_write (global.get $stderr) (local.get $from) (local.get $now) (i32.const 16))
        (local.set $from (i32.add (local.get $from) (local.get $now)))
        (local.set $bytes (i32.sub (local.get $bytes) (local.get $now)))
        (br $more)))
    (i64.store (i32.const 16) (local.get $first))
    (i32.store (i32.const 24) (local.get $second)))

  (func (export "fd_write") (param $fd i32) (param $pieces i32) (param $count i32) (param $written i32) (result i32)
    (local $all i32)
    ;; Only standard output and error are open.
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1)) (then (return (i32.const 8))))
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $count)))
        (call $write (i32.load (local.get $pieces)) (i32.load offset=4 (local.get $pieces)))
        (local.set $all (i32.add (local.get $all) (i32.load offset=4 (local.get $pieces))))
        (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $more)))
    (i32.store (local.get $written) (local.get $all))
    (i32.const 0))

  ;; Standard streams are character devices.
  (func (export "fd_fdstat_get") (param $fd i32) (param $out i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
    (i64.store (local.get $out) (i64.const 2))
    (i64.store offset=8 (local.get $out) (i64.const -1))
    (i64.store offset=16 (local.get $out) (i64.const -1))
    (i32.const 0))
  (func (export "fd_fdstat_set_flags") (param $fd i32) (param i32) (result i32)
    (select (i32.const 8) (i32.const 0) (i32.gt_u (local.get $fd) (i32.const 2))))
  (func (export "fd_read") (param $fd i32) (param i32 i32) (param $read i32) (result i32)
    (if (local.get $fd) (then (return (i32.const 8))))
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))

  (func $nothing (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $nothing))
  (export "environ_sizes_get" (func $nothing))
  (func $none (param i32 i32) (result i32) (i32.const 0))
  (export "args_get" (func $none))
  (export "environ_get" (func $none))

  ;; Each reading is a microsecond later. Realtime counts from 2025, the others from one second.
  (func (export "clock_time_get") (param $id i32) (param i64) (param $out i32) (result i32)
    (if (i32.gt_u (local.get $id) (i32.const 3)) (then (return (i32.const 28))))
    (global.set $clock (i64.add (global.get $clock) (i64.const 1000)))
    (i64.store align=1 (local.get $out)
      (i64.add (global.get $clock)
        (select (i64.const 1000000000) (i64.const 1735689600000000000) (local.get $id))))
    (i32.const 0))
  (func (export "clock_res_get") (param $id i32) (param $out i32) (result i32)
    (i64.store align=1 (local.get $out) (i64.const 1000))
    (i32.const 0))

  ;; Sleeping moves the clock on, and takes no time. Other things do not happen.
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $events i32) (result i32)
    (local $until i64)
    (block $done
      (loop $more
        (if (i32.eqz (local.get $count)) (then (return (i32.const 52))))
        (br_if $done (i32.eqz (i32.load8_u offset=8 (local.get $in))))
        (local.set $in (i32.add (local.get $in) (i32.const 48)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $more)))
    (local.set $until (i64.load offset=24 (local.get $in)))
    (if (i32.and (i32.load16_u offset=40 (local.get $in)) (i32.const 1))
      (then (local.set $until (i64.sub (local.get $until)
        (select (i64.const 1000000000) (i64.const 1735689600000000000) (i32.load offset=16 (local.get $in))))))
      (else (local.set $until (i64.add (global.get $clock) (local.get $until)))))
    (if (i64.gt_s (local.get $until) (global.get $clock)) (then (global.set $clock (local.get $until))))
    (i64.store (local.get $out) (i64.load (local.get $in)))
    (i64.store offset=8 (local.get $out) (i64.const 0))
    (i64.store offset=16 (local.get $out) (i64.const 0))
    (i64.store offset=24 (local.get $out) (i64.const 0))
    (i32.store (local.get $events) (i32.const 1))
    (i32.const 0))

  ;; The same numbers in every run (xorshift64).
  (func (export "random_get") (param $to i32) (param $bytes i32) (result i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $bytes)))
        (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 13))))
        (global.set $random (i64.xor (global.get $random) (i64.shr_u (global.get $random) (i64.const 7))))
        (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 17))))
        (i64.store8 (local.get $to) (i64.shr_u (global.get $random) (i64.const 32)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
        (br $more)))
    (i32.const 0))

  (func (export "sched_yield") (result i32) (i32.const 0))
  (func (export "proc_exit") (param $status i32)
    (call $exit (i32.ne (local.get $status) (i32.const 0)))
    unreachable)
  (;FAILING;)
)
