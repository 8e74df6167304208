/* layout_fields: the members of struct py_layout as lists, FIELD(member) once for each: those that
 * CPython's headers decide, and those that say how a minor behaves, which no header does. Used only
 * by the programs of tests/layout. */
#ifndef ECHION_TESTS_LAYOUT_LAYOUT_FIELDS_H
#define ECHION_TESTS_LAYOUT_LAYOUT_FIELDS_H

#define LAYOUT_FIELDS(FIELD)                                                                       \
    FIELD(major)                                                                                   \
    FIELD(minor)                                                                                   \
    FIELD(word_size)                                                                               \
    FIELD(tag_mask)                                                                                \
    FIELD(owner_generator)                                                                         \
    FIELD(owner_cstack)                                                                            \
    FIELD(frame_executing)                                                                         \
    FIELD(runtime.interpreters_head)                                                               \
    FIELD(runtime.finalizing)                                                                      \
    FIELD(runtime.initialized)                                                                     \
    FIELD(runtime.size)                                                                            \
    FIELD(interpreter.next)                                                                        \
    FIELD(interpreter.id)                                                                          \
    FIELD(interpreter.threads_head)                                                                \
    FIELD(interpreter.modules)                                                                     \
    FIELD(interpreter.jit)                                                                         \
    FIELD(interpreter.size)                                                                        \
    FIELD(thread.prev)                                                                             \
    FIELD(thread.next)                                                                             \
    FIELD(thread.interp)                                                                           \
    FIELD(thread.id)                                                                               \
    FIELD(thread.thread_id)                                                                        \
    FIELD(thread.native_thread_id)                                                                 \
    FIELD(thread.frame)                                                                            \
    FIELD(thread.cframe)                                                                           \
    FIELD(thread.current_frame)                                                                    \
    FIELD(thread.datastack_chunk)                                                                  \
    FIELD(thread.datastack_top)                                                                    \
    FIELD(thread.datastack_limit)                                                                  \
    FIELD(thread.executor)                                                                         \
    FIELD(thread.size)                                                                             \
    FIELD(cframe.current_frame)                                                                    \
    FIELD(chunk.previous)                                                                          \
    FIELD(chunk.size)                                                                              \
    FIELD(chunk.top)                                                                               \
    FIELD(chunk.data)                                                                              \
    FIELD(iframe.executable)                                                                       \
    FIELD(iframe.func)                                                                             \
    FIELD(iframe.previous)                                                                         \
    FIELD(iframe.instr)                                                                            \
    FIELD(iframe.stacktop)                                                                         \
    FIELD(iframe.stackpointer)                                                                     \
    FIELD(iframe.is_entry)                                                                         \
    FIELD(iframe.return_offset)                                                                    \
    FIELD(iframe.owner)                                                                            \
    FIELD(iframe.localsplus)                                                                       \
    FIELD(frame.back)                                                                              \
    FIELD(frame.code)                                                                              \
    FIELD(frame.lasti)                                                                             \
    FIELD(frame.state)                                                                             \
    FIELD(frame.gen)                                                                               \
    FIELD(frame.localsplus)                                                                        \
    FIELD(code.argcount)                                                                           \
    FIELD(code.flags)                                                                              \
    FIELD(code.firstlineno)                                                                        \
    FIELD(code.stacksize)                                                                          \
    FIELD(code.nlocalsplus)                                                                        \
    FIELD(code.framesize)                                                                          \
    FIELD(code.version)                                                                            \
    FIELD(code.filename)                                                                           \
    FIELD(code.name)                                                                               \
    FIELD(code.qualname)                                                                           \
    FIELD(code.linetable)                                                                          \
    FIELD(code.bytecode)                                                                           \
    FIELD(code.ob_size)                                                                            \
    FIELD(code.zombieframe)                                                                        \
    FIELD(function.code)                                                                           \
    FIELD(function.version)                                                                        \
    FIELD(generator.frame)                                                                         \
    FIELD(generator.iframe)                                                                        \
    FIELD(generator.frame_state)                                                                   \
    FIELD(object.ob_type)                                                                          \
    FIELD(object.size)                                                                             \
    FIELD(type.name)                                                                               \
    FIELD(type.flags)                                                                              \
    FIELD(type.basicsize)                                                                          \
    FIELD(type.dictoffset)                                                                         \
    FIELD(type.cached_keys)                                                                        \
    FIELD(unicode.state)                                                                           \
    FIELD(unicode.length)                                                                          \
    FIELD(unicode.ascii_data)                                                                      \
    FIELD(unicode.compact_data)                                                                    \
    FIELD(unicode.data_any)                                                                        \
    FIELD(unicode.kind_shift)                                                                      \
    FIELD(unicode.compact_shift)                                                                   \
    FIELD(unicode.ascii_shift)                                                                     \
    FIELD(bytes.size)                                                                              \
    FIELD(bytes.data)                                                                              \
    FIELD(dict.keys)                                                                               \
    FIELD(dict.values)                                                                             \
    FIELD(dict.used)                                                                               \
    FIELD(dict_keys.log2_size)                                                                     \
    FIELD(dict_keys.log2_index_bytes)                                                              \
    FIELD(dict_keys.kind)                                                                          \
    FIELD(dict_keys.nentries)                                                                      \
    FIELD(dict_keys.indices)                                                                       \
    FIELD(dict_keys.size_is_log2)                                                                  \
    FIELD(module.dict)                                                                             \
    FIELD(integer.ob_size_or_tag)                                                                  \
    FIELD(integer.digits)                                                                          \
    FIELD(integer.has_tag)                                                                         \
    FIELD(integer.digit_bits)                                                                      \
    FIELD(managed_dict.values_data)

#define LAYOUT_BEHAVIOURS(FIELD)                                                                   \
    FIELD(frame_model)                                                                             \
    FIELD(line_format)                                                                             \
    FIELD(instr_is_index)                                                                          \
    FIELD(instr_scale)                                                                             \
    FIELD(instr_is_prev)                                                                           \
    FIELD(resume_slot)                                                                             \
    FIELD(managed_dict.dict_words)                                                                 \
    FIELD(managed_dict.values_words)                                                               \
    FIELD(managed_dict.values_tagged)                                                              \
    FIELD(managed_dict.values_inline)

/* Of sync_layout, but for the locks, which no header has; and of value_layout. */
#define SYNC_FIELDS(FIELD)                                                                         \
    FIELD(runtime.gil)                                                                             \
    FIELD(runtime.current)                                                                         \
    FIELD(interpreter.gil)                                                                         \
    FIELD(thread.status)                                                                           \
    FIELD(status_active)                                                                           \
    FIELD(gil_size)                                                                                \
    FIELD(frame.valuestack)                                                                        \
    FIELD(frame.iblock)                                                                            \
    FIELD(frame.blockstack)                                                                        \
    FIELD(frame.block_size)                                                                        \
    FIELD(frame.block_level)                                                                       \
    FIELD(code.exceptiontable)                                                                     \
    FIELD(builtin.method)                                                                          \
    FIELD(builtin.self)                                                                            \
    FIELD(method.function)                                                                         \
    FIELD(method.self)                                                                             \
    FIELD(descriptor.method)

#define VALUE_FIELDS(FIELD)                                                                        \
    FIELD(code.names)                                                                              \
    FIELD(code.cells)                                                                              \
    FIELD(code.free)                                                                               \
    FIELD(tuple.size)                                                                              \
    FIELD(tuple.items)                                                                             \
    FIELD(list.size)                                                                               \
    FIELD(list.items)                                                                              \
    FIELD(set.used)                                                                                \
    FIELD(set.mask)                                                                                \
    FIELD(set.table)                                                                               \
    FIELD(cell)                                                                                    \
    FIELD(real)

#endif
