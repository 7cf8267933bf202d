#include "base/cgroup.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace fathom {
namespace {

class CgroupTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(root_); }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

  std::optional<int> processors(const std::string& self) { return cgroup_processors(self, root_); }
  std::optional<uint64_t> memory(const std::string& self) { return cgroup_memory(self, root_); }

  const std::string root_ = testing::TempDir() + "/cgroup_test" + std::to_string(getpid());
};

TEST_F(CgroupTest, TakesTheLeastQuotaOnTheWayUp) {
  EXPECT_EQ(processors("0::/a/b\n"), std::nullopt);
  write("/a/cpu.max", "max 100000\n");
  EXPECT_EQ(processors("0::/a/b\n"), std::nullopt);
  write("/a/cpu.max", "250000 100000\n");
  EXPECT_EQ(processors("0::/a/b\n"), 3);
  write("/a/b/cpu.max", "50000 100000\n");
  EXPECT_EQ(processors("0::/a/b\n"), 1);
}

TEST_F(CgroupTest, ReadsVersionOne) {
  write("/cpu/c/cpu.cfs_quota_us", "400000\n");
  write("/cpu/c/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(processors("4:cpu,cpuacct:/c\n0::/\n"), 4);
  write("/cpu/c/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(processors("4:cpu,cpuacct:/c\n"), std::nullopt);
}

TEST_F(CgroupTest, MemoryIsWhatTheLimitLeaves) {
  EXPECT_EQ(memory("0::/a/b\n"), std::nullopt);
  write("/a/b/memory.max", "max\n");
  EXPECT_EQ(memory("0::/a/b\n"), std::nullopt);
  write("/a/b/memory.max", "1000000\n");
  write("/a/b/memory.current", "700000\n");
  EXPECT_EQ(memory("0::/a/b\n"), 300000u);
  write("/a/b/memory.stat", "anon 200000\nfile 500000\ninactive_file 300000\nactive_file 100000\n");
  EXPECT_EQ(memory("0::/a/b\n"), 700000u);
  // A parent whose other groups have taken most of what it has.
  write("/a/memory.max", "2000000\n");
  write("/a/memory.current", "1900000\n");
  EXPECT_EQ(memory("0::/a/b\n"), 100000u);
  write("/a/memory.current", "2100000\n");
  EXPECT_EQ(memory("0::/a/b\n"), 0u);
}

TEST_F(CgroupTest, MemoryOfVersionOne) {
  write("/memory/c/memory.limit_in_bytes", "1000000\n");
  write("/memory/c/memory.usage_in_bytes", "600000\n");
  write("/memory/c/memory.stat", "inactive_file 1\ntotal_inactive_file 100000\n");
  EXPECT_EQ(memory("8:pids:/\n4:memory:/c\n0::/\n"), 500000u);
  EXPECT_EQ(memory("4:cpu:/c\n"), std::nullopt);
}

}  // namespace
}  // namespace fathom
