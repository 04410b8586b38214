/** @file Encoding that looks ahead: model.isa.cc once more, with what that leaves out. */
#define SHACOMP_AHEAD
#include "mix/model.isa.cc"
