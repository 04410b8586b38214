/** @file What is compiled once per instruction set, as *.isa.cc are. */
#pragma once

#define SHACOMP_TEXT_OF(x) #x
#define SHACOMP_TEXT(x) SHACOMP_TEXT_OF(x)
/** Name of the instruction set that a file is compiled for. */
#define SHACOMP_ISA_NAME SHACOMP_TEXT(SHACOMP_ISA)

/**
 * For what several instruction sets share outside of their namespaces: as functions of the object files, the
 * linker would keep one copy of them all, perhaps that of an instruction set which the processor lacks. And
 * for the steps of a long function, apart for readers but together for the compiler.
 */
#define ALWAYS_INLINE [[gnu::always_inline]] inline
