// What fathom-mpi.so gives to the program that loads it: messages between the ranks of an MPI run.
// A C interface, so that the module shares nothing else with the program.
#pragma once

#include <cstddef>

extern "C" {

struct FathomMpiMessage {
  int rank;  // the other side
  void* data;
  size_t bytes;
};

/// Each function but `done` returns null, or one line on what went wrong, valid until the next
/// call. All are called from one thread.
struct FathomMpi {
  int version;
  /// Joins the run; its rank and size.
  const char* (*open)(int* rank, int* size);
  /// Starts all messages of an exchange: messages between two ranks arrive in the order in which
  /// both sides name them.
  const char* (*start)(const FathomMpiMessage* send, size_t sends, const FathomMpiMessage* receive,
                       size_t receives);
  /// Whether the exchange started last is over.
  const char* (*poll)(bool* done);
  /// Leaves the run, when every rank does.
  const char* (*close)();
};

constexpr int kFathomMpiVersion = 1;

/// The module's one symbol.
const FathomMpi* fathom_mpi();
}
