#include "mpi/plug.h"

#include <mpi.h>

#include <algorithm>
#include <vector>

namespace {

constexpr size_t kLongest = size_t{1} << 30;  // MPI counts in int
constexpr int kTag = 1;

char g_error[MPI_MAX_ERROR_STRING];
std::vector<MPI_Request> g_requests;

const char* check(int code) {
  if (code == MPI_SUCCESS) return nullptr;
  int length = 0;
  MPI_Error_string(code, g_error, &length);
  return g_error;
}

const char* open(int* rank, int* size) {
  int provided = 0;
  if (const char* error = check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided)))
    return error;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (const char* error = check(MPI_Comm_rank(MPI_COMM_WORLD, rank))) return error;
  return check(MPI_Comm_size(MPI_COMM_WORLD, size));
}

const char* start(const FathomMpiMessage* send, size_t sends, const FathomMpiMessage* receive,
                  size_t receives) {
  g_requests.clear();
  const auto each = [](const FathomMpiMessage* messages, size_t n, const auto& post) {
    for (size_t i = 0; i < n; ++i) {
      char* data = static_cast<char*>(messages[i].data);
      for (size_t at = 0; at < messages[i].bytes; at += kLongest) {
        const int bytes = static_cast<int>(std::min(kLongest, messages[i].bytes - at));
        if (const char* error = check(post(data + at, bytes, messages[i].rank))) return error;
      }
    }
    return static_cast<const char*>(nullptr);
  };
  const char* error = each(receive, receives, [](char* data, int bytes, int rank) {
    return MPI_Irecv(data, bytes, MPI_BYTE, rank, kTag, MPI_COMM_WORLD, &g_requests.emplace_back());
  });
  if (error) return error;
  return each(send, sends, [](char* data, int bytes, int rank) {
    return MPI_Isend(data, bytes, MPI_BYTE, rank, kTag, MPI_COMM_WORLD, &g_requests.emplace_back());
  });
}

const char* poll(bool* done) {
  int all = 0;
  const int count = static_cast<int>(g_requests.size());
  const char* error = check(MPI_Testall(count, g_requests.data(), &all, MPI_STATUSES_IGNORE));
  *done = all != 0;
  return error;
}

const char* close() { return check(MPI_Finalize()); }

constexpr FathomMpi kPlug = {kFathomMpiVersion, open, start, poll, close};

}  // namespace

const FathomMpi* fathom_mpi() { return &kPlug; }
