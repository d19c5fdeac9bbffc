# Completion of `git vsts` and `git-vsts` in fish, which completes every `git-NAME` on the PATH as
# `git NAME` too (fish 3.6.0 alone fails to).

# What the program wants to be asked changes with its version, so it is not written down here.
_GIT_VSTS_COMPLETE=fish command git-vsts 2>/dev/null | source
