#pragma once

// Roles, the labelled steps at which each is ended, and the ways in which.

#include "kill_stage.hpp"

namespace keyway::test {

struct Cell {
    Role role;
    const char* label;
};

inline constexpr Cell kCells[] = {
    {Role::kClient, "put.reserved"},       {Role::kClient, "put.filled"},
    {Role::kClient, "put.committed"},      {Role::kClient, "verdict.known"},
    {Role::kClient, "ask.sent"},           {Role::kClient, "take.seen"},
    {Role::kCallee, "take.seen"},          {Role::kCallee, "take.advanced"},
    {Role::kCallee, "take.released"},      {Role::kCallee, "put.reserved"},
    {Role::kCallee, "put.committed"},      {Role::kCallee, "verdict.known"},
    {Role::kCallee, "ask.answered"},       {Role::kPublisher, "put.filled"},
    {Role::kPublisher, "put.committed"},   {Role::kPublisher, "verdict.known"},
    {Role::kPublisher, "ask.answered"},    {Role::kSubscriber, "event.taken"},
    {Role::kSubscriber, "event.told"},     {Role::kSubscriber, "ask.answered"},
    {Role::kGranter, "put.committed"},     {Role::kGranter, "verdict.known"},
    {Role::kGranter, "ask.sent"},          {Role::kGranter, "ask.answered"},
    {Role::kRegionOwner, "recall.fresh"},  {Role::kRegionOwner, "recall.copied"},
    {Role::kRegionOwner, "recall.moved"},  {Role::kRegionOwner, "ask.sent"},
    {Role::kRegionOwner, "put.committed"},
};

inline constexpr const char* kWays[] = {"kill", "stop", "exit", "exec"};

}  // namespace keyway::test
