# Completion of `git-vsts` and, where posh-git does not complete git, of `git vsts` in PowerShell:
#
#     git vsts completions powershell | Out-String | Invoke-Expression
#
# in $PROFILE. Nothing of the line that is being typed is run.

$gitVstsCompleter = {
    param($wordToComplete, $commandAst, $cursorPosition)

    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.StartOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text })
    # PowerShell 5 gives a program no empty word, so the program is told that there is one.
    $index = if ($wordToComplete -eq '') { $words.Count } else { $words.Count - 1 }
    $name = [System.IO.Path]::GetFileNameWithoutExtension($words[0])
    if ($name -eq 'git') {
        $words[0] = 'git'
        if ($words -notcontains 'vsts') { return }
    }

    $before = $env:_GIT_VSTS_COMPLETE, $env:_CLAP_COMPLETE_INDEX
    $env:_GIT_VSTS_COMPLETE, $env:_CLAP_COMPLETE_INDEX = 'powershell', "$index"
    try {
        $lines = @(& git-vsts -- $words 2>$null)
    } catch {
        $lines = @()
    } finally {
        $env:_GIT_VSTS_COMPLETE, $env:_CLAP_COMPLETE_INDEX = $before
    }
    foreach ($line in $lines) {
        $value, $help = $line -split "`t", 2
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
}
Register-ArgumentCompleter -Native -CommandName 'git-vsts' -ScriptBlock $gitVstsCompleter
if (-not (Get-Module -Name posh-git)) {
    Register-ArgumentCompleter -Native -CommandName 'git' -ScriptBlock $gitVstsCompleter
}
