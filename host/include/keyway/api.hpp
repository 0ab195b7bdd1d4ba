#pragma once

// KEYWAY_API marks what the shared library shows to programs; everything else in it is hidden. Only functions
// with a body in the library need it, so headers that are all inline have none. host/abi/ has the list of
// what is shown.

#if defined(__GNUC__)
/// Shown by the shared library.
#define KEYWAY_API __attribute__((visibility("default")))
/// For the insides of a shown class, which would be shown with it.
#define KEYWAY_HIDDEN __attribute__((visibility("hidden")))
#else
#define KEYWAY_API
#define KEYWAY_HIDDEN
#endif
