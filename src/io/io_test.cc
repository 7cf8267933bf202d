#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "base/error.h"
#include "io/faulty_file_system.h"
#include "io/file_lock.h"
#include "io/file_system.h"
#include "io/mapped_file.h"

namespace fathom::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class IoTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(dir_); }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string path(const std::string& name) const { return join(dir_, name); }

  const std::string dir_ = testing::TempDir() + "io_test." + std::to_string(getpid());
};

template <typename Action>
Error error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorKind::kUsage, "");
}

TEST_F(IoTest, ReadsBackWhatWasWritten) {
  write_file_atomically(system_files(), path("a"), "one\ntwo");
  EXPECT_EQ(read_file(path("a")), "one\ntwo");
  EXPECT_EQ(file_size(path("a")), 7u);
  write_file_atomically(system_files(), path("a"), "");
  EXPECT_EQ(read_file(path("a")), "");
  EXPECT_THAT(list_files(dir_), ElementsAre("a"));
}

TEST_F(IoTest, ReadsFilesThatDoNotTellTheirSize) {
  EXPECT_THAT(read_file("/proc/self/status"), HasSubstr("Name:"));
}

TEST_F(IoTest, ReadRefusesWhatIsTooLongOrNotThere) {
  write_file_atomically(system_files(), path("a"), "0123456789");
  EXPECT_EQ(read_file(path("a"), 10).size(), 10u);
  const Error too_long = error_of([&] { read_file(path("a"), 9); });
  EXPECT_EQ(too_long.kind(), ErrorKind::kBadInput);
  EXPECT_THAT(too_long.what(), HasSubstr("longer than 9 bytes"));

  const Error missing = error_of([&] { read_file(path("b")); });
  EXPECT_EQ(missing.kind(), ErrorKind::kNotFound);
  EXPECT_EQ(std::string(missing.what()), path("b") + ": cannot open: No such file or directory");
  EXPECT_EQ(error_of([&] { read_file(dir_); }).kind(), ErrorKind::kIo);
}

TEST_F(IoTest, MapsAFileAndMoves) {
  write_file_atomically(system_files(), path("a"), std::string(10000, 'x'));
  MappedFile first = MappedFile::open(path("a"));
  const std::byte* data = first.bytes().data();
  MappedFile second = std::move(first);
  EXPECT_EQ(second.bytes().data(), data);
  EXPECT_EQ(second.bytes().size(), 10000u);
  for (const Advice advice : {Advice::kNormal, Advice::kRandom, Advice::kSequential,
                              Advice::kWillNeed, Advice::kDontNeed}) {
    second.advise(1, 9999, advice);
    second.advise(5000, UINT64_MAX, advice);
    second.advise(UINT64_MAX, 1, advice);
  }
  EXPECT_EQ(second.bytes()[9999], std::byte{'x'});
}

TEST_F(IoTest, MapsAnEmptyFileAndRefusesADirectory) {
  write_file_atomically(system_files(), path("a"), "");
  EXPECT_TRUE(MappedFile::open(path("a")).bytes().empty());
  EXPECT_EQ(error_of([&] { MappedFile::open(dir_); }).kind(), ErrorKind::kIo);
  EXPECT_EQ(error_of([&] { MappedFile::open(path("b")); }).kind(), ErrorKind::kNotFound);
}

TEST_F(IoTest, WritesPartsInAnyOrderAndLeavesHoles) {
  const auto file = system_files().create(path("a"));
  file->truncate(1 << 20);
  file->write_at(5, std::as_bytes(std::span("xyz", 3)));
  file->append(std::as_bytes(std::span("end", 3)));
  file->sync();
  file->drop_cache(0, 1 << 20);
  const std::string content = read_file(path("a"));
  EXPECT_EQ(content.size(), (1u << 20) + 3);
  EXPECT_EQ(content.substr(0, 9), std::string("\0\0\0\0\0xyz\0", 9));
  struct stat status {};
  ASSERT_EQ(stat(path("a").c_str(), &status), 0);
  EXPECT_LT(status.st_blocks * 512, 1 << 19);
}

TEST_F(IoTest, AtomicWriteLeavesTheOldContentWhateverFails) {
  for (const FileOperation operation : {FileOperation::kCreate, FileOperation::kWrite,
                                        FileOperation::kSync, FileOperation::kRename}) {
    write_file_atomically(system_files(), path("a"), "old");
    FaultyFileSystem faulty;
    faulty.fail_at(operation, 0, ENOSPC);
    const Error error = error_of([&] { write_file_atomically(faulty, path("a"), "new content"); });
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    EXPECT_THAT(error.what(), HasSubstr("No space left on device"));
    EXPECT_EQ(read_file(path("a")), "old");
    EXPECT_THAT(list_files(dir_), ElementsAre("a"));
  }
}

TEST_F(IoTest, CopiesInPieces) {
  std::string content(40'000'000, 'x');
  content[16 << 20] = 'y';
  for (const std::string& text : {content, std::string()}) {
    write_file_atomically(system_files(), path("a"), text);
    copy_file_atomically(system_files(), path("a"), path("b"));
    EXPECT_TRUE(read_file(path("b")) == text);
  }
}

TEST_F(IoTest, AFullDiskFailsTheWriteThatFillsIt) {
  FaultyFileSystem faulty;
  faulty.set_disk_bytes(10);
  const auto file = faulty.create(path("a"));
  file->append(std::as_bytes(std::span("12345678", 8)));
  EXPECT_EQ(faulty.free_bytes(dir_), 2u);
  EXPECT_EQ(error_of([&] { file->append(std::as_bytes(std::span("9abc", 4))); }).kind(),
            ErrorKind::kIo);
  EXPECT_EQ(read_file(path("a")), "123456789a");  // the half that fitted
}

TEST_F(IoTest, ALockHasOneHolder) {
  {
    const FileLock lock(path("lock"), "a test");
    const Error error = error_of([&] { FileLock(path("lock"), "a test"); });
    EXPECT_EQ(error.kind(), ErrorKind::kConflict);
    EXPECT_THAT(error.what(), HasSubstr("held by another process: a test"));
  }
  const FileLock again(path("lock"), "a test");
}

TEST_F(IoTest, ALockMayTakeItsFileAlong) {
  {
    const FileLock lock(path("lock"), "a test", LockFile::kRemoved);
    EXPECT_THROW(FileLock(path("lock"), "a test", LockFile::kRemoved), Error);
    EXPECT_TRUE(file_exists(path("lock")));
  }
  EXPECT_FALSE(file_exists(path("lock")));
}

TEST_F(IoTest, ListsOnlyFiles) {
  std::filesystem::create_directory(path("sub"));
  std::filesystem::create_symlink(path("nowhere"), path("dangling"));
  write_file_atomically(system_files(), path("b"), "");
  write_file_atomically(system_files(), path("a"), "");
  EXPECT_THAT(list_files(dir_), ElementsAre("a", "b"));
  EXPECT_EQ(error_of([&] { list_files(path("nowhere")); }).kind(), ErrorKind::kNotFound);
}

TEST(Paths, JoinAndParent) {
  EXPECT_EQ(join("a", "b"), "a/b");
  EXPECT_EQ(join("a/", "b"), "a/b");
  EXPECT_EQ(parent_dir("a/b"), "a");
  EXPECT_EQ(parent_dir("/b"), "/");
  EXPECT_EQ(parent_dir("b"), ".");
}

}  // namespace
}  // namespace fathom::io
