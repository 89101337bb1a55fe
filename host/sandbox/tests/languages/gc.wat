;; A plugin with garbage-collected structs and exceptions, as Kotlin, Dart and OCaml make them. Its configuration is
;; the number of what it does.
(module
  (type $page (array (mut i64)))
  (type $node (struct (field (mut (ref null $node))) (field (ref null $page))))
  (tag $oops (param i32))
  (memory (export "memory") 2)
  (table $many 1 funcref)
  (global $free (mut i32) (i32.const 8192))
  (global $kept (mut (ref null $node)) (ref.null $node))

  (data (i32.const 2048) "Collects.{}")
  ;; The description: summary, schema, no outputs.
  (data (i32.const 1024) "\00\08\00\00\09\00\00\00\09\08\00\00\02\00\00\00\00\00\00\00\00\00\00\00")
  ;; The result: success, and an empty object.
  (data (i32.const 1100) "\00\00\00\00\09\08\00\00\02\00\00\00\00\00\00\00")

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.get $free)
    (global.set $free (i32.add (global.get $free) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8)))))
  (func (export "describe") (result i32) (i32.const 1024))

  (func (export "run") (param $config i32) (param $bytes i32) (result i32)
    (block $done
      (block $table (block $through (block $uncaught (block $deep (block $throw (block $circles (block $bomb
        (br_table $done $bomb $circles $throw $deep $uncaught $through $table $done
          (i32.sub (i32.load8_u (local.get $config)) (i32.const 48))))
        (call $fill) (br $done))
        (call $make_circles (i32.const 20000)) (br $done))
        (call $throw_forever) (br $done))
        (drop (call $nest (i64.const 0))) (br $done))
        (call $throw) (br $done))
        (call $throw_through (i32.const 2000)) (br $done))
      (drop (table.grow $many (ref.null func) (i32.const 50000))))
    (i32.const 1100))

  ;; Keeps everything that it makes.
  (func $fill
    (loop $more
      (global.set $kept (struct.new $node (global.get $kept) (array.new_default $page (i32.const 8192))))
      (br $more)))

  ;; Makes 1.2 GiB of garbage, every piece a circle.
  (func $make_circles (param $count i32)
    (local $node (ref null $node))
    (loop $more
      (local.set $node (struct.new $node (ref.null $node) (array.new_default $page (i32.const 8192))))
      (struct.set $node 0 (local.get $node) (local.get $node))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br_if $more (local.get $count))))

  (func $throw (throw $oops (i32.const 1)))

  (func $catch (result i32)
    (block $caught (result i32)
      (try_table (catch $oops $caught) (call $throw))
      (i32.const 0)))
  (func $throw_forever (loop $more (drop (call $catch)) (br $more)))

  ;; Recursion without end, each level with a handler.
  (func $nest (param $depth i64) (result i64)
    (block $caught (result i32)
      (try_table (catch $oops $caught) (drop (call $nest (i64.add (local.get $depth) (i64.const 1)))))
      (i32.const 0))
    (drop) (local.get $depth))

  (func $down (param $depth i32)
    (if (local.get $depth) (then (call $down (i32.sub (local.get $depth) (i32.const 1)))) (else (call $throw))))
  ;; One exception through many functions.
  (func $throw_through (param $depth i32)
    (drop (block $caught (result i32)
      (try_table (catch $oops $caught) (call $down (local.get $depth)))
      (i32.const 0))))
)
