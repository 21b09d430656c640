# The loop of `sandbox.be_init` for Linux on x86-64, without an interpreter around it. See small_init.py, which holds it assembled:
#   as -o small_init.o small_init.s && objcopy -O binary -j .text small_init.o small_init.bin
.intel_syntax noprefix
.text
entry:                      # (runtime's process, own memory, its size, end of all memory)
  mov rbx, rdi
  mov r12, rsi
  lea r13, [rsi+rdx]
  mov rsp, r13              # the stack is at the end of the own memory
  mov rdi, r13
  mov rsi, rcx
  sub rsi, rdi
  mov eax, 11               # munmap: what is above
  syscall
  xor edi, edi
  mov rsi, r12
  mov eax, 11               # munmap: what is below
  syscall
wait:
  lea rdi, [rip+signals]
  xor esi, esi
  xor edx, edx
  mov r10d, 8
  mov eax, 128              # rt_sigtimedwait
  syscall
  mov esi, 19               # SIGSTOP
  cmp eax, 10               # SIGUSR1
  je all
  mov esi, 18               # SIGCONT
  cmp eax, 12               # SIGUSR2
  je all
  cmp eax, 17               # SIGCHLD
  je reap
  cmp eax, 15               # SIGTERM
  je ended
  cmp eax, 1                # SIGHUP: the runtime is to end
  jne wait
  mov rdi, rbx
  mov esi, 15
  jmp send
all:
  mov rdi, -1
send:
  mov eax, 62               # kill
  syscall
  jmp wait
reap:
  mov rdi, -1
  lea rsi, [r13-8]
  mov edx, 1                # WNOHANG
  xor r10d, r10d
  mov eax, 61               # wait4
  syscall
  test eax, eax
  jle wait
  cmp eax, ebx
  jne reap
  mov eax, [r13-8]          # the runtime's status, four digits from A to P
  mov ecx, 4
digit:
  mov edx, eax
  and edx, 15
  add edx, 'A'
  lea rsi, [rip+digits]
  mov [rsi+rcx-1], dl
  shr eax, 4
  dec ecx
  jnz digit
  lea rsi, [rip+status]
  mov edx, 9
  jmp say
ended:
  lea rsi, [rip+end]
  mov edx, 5
say:
  xor edi, edi
  mov eax, 1                # write, to the status pipe
  syscall
  xor edi, edi
  mov eax, 231              # exit_group
  syscall
signals: .quad (1<<0)|(1<<9)|(1<<11)|(1<<14)|(1<<16)
status: .ascii "wait "
digits: .ascii "AAAA"
end: .ascii "ended"
