/* SPDX-License-Identifier: MIT */
/*
 * How TSan looks at programs with libzmq in them. It sees what is compiled with it, and of other
 * code the calls of libc that it intercepts. libzmq hands messages from thread to thread by atomics
 * that it does not see, so a receiver's read of what libzmq has written into a message would be a
 * race. Without what libzmq, GLib and libstdc++ write, races of our own threads are still seen: of
 * the loop, of who answers libzmq's questions about keys, and of who writes the key file.
 */
const char *__tsan_default_options(void);

__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
        return "ignore_noninstrumented_modules=1";
}
