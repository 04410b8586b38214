/** @file How the WebAssembly modules export a function. */
#pragma once

#define EXPORT(name) [[gnu::used]] __attribute__((export_name(#name)))
