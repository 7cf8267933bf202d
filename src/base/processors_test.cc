#include "base/processors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace fathom {
namespace {

class CgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "/cgroup_test" + std::to_string(getpid());
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_ + "/a/b");
    std::filesystem::create_directories(root_ + "/cpu/c");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::ofstream(root_ + path) << text;
  }
  std::string root_;
};

TEST_F(CgroupTest, TakesTheLeastQuotaOnTheWayUp) {
  EXPECT_EQ(cgroup_processor_quota("0::/a/b\n", root_), 0);
  write("/a/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroup_processor_quota("0::/a/b\n", root_), 0);
  write("/a/cpu.max", "250000 100000\n");
  EXPECT_EQ(cgroup_processor_quota("0::/a/b\n", root_), 3);
  write("/a/b/cpu.max", "50000 100000\n");
  EXPECT_EQ(cgroup_processor_quota("0::/a/b\n", root_), 1);
}

TEST_F(CgroupTest, ReadsVersionOne) {
  write("/cpu/c/cpu.cfs_quota_us", "400000\n");
  write("/cpu/c/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_processor_quota("4:cpu,cpuacct:/c\n0::/\n", root_), 4);
  write("/cpu/c/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(cgroup_processor_quota("4:cpu,cpuacct:/c\n", root_), 0);
}

TEST(Processors, AtLeastOneAndNoMoreThanAllowed) {
  EXPECT_GE(available_processors(), 1);
  EXPECT_LE(available_processors(), static_cast<int>(allowed_processors().size()));
  EXPECT_FALSE(cpu_features().name.empty());
}

}  // namespace
}  // namespace fathom
