<?php
// Runs one product's script in PHP: what guest.py does in the other languages; frames.py explains the messages.
//
// PHP cannot forget a function, so each call gets a process of its own, which locks itself up before it looks at the
// script: functions, variables and static variables of one call do not exist in the next.

final class Guest
{
    private const RETURNED = 0, NOTHING = 1, THREW = 2, MISSING = 3, NOT_JSON = 4, MEMORY = 6;
    private const RLIMIT_FSIZE = 1, RLIMIT_CORE = 4, RLIMIT_NPROC = 6, RLIMIT_NOFILE = 7, RLIMIT_AS = 9;
    private const PR_SET_PDEATHSIG = 1, PR_SET_NO_NEW_PRIVS = 38, PR_SET_SECCOMP = 22, SECCOMP_MODE_FILTER = 2;
    private const SIGKILL = 9, SIGPROF = 27, ITIMER_PROF = 2, SOCKET = 3, CHUNK = 262144, NO_SANDBOX = 126, ANSWERED = 64;

    public string $source;
    private FFI $c;
    private FFI\CData $chunk;
    private string $buffer = '';
    private string $name;
    private string $arguments;
    private bool $answered = false;
    private int $started = 0;

    public function __construct(
        private readonly string $filter,
        private readonly int $seconds,
        private readonly int $addressSpace,
        private readonly int $longestResult,
        private readonly int $longestOutput,
    ) {
        $this->c = FFI::cdef(
            'struct filter { unsigned short length; void *instructions; };
            struct rlimit { unsigned long current, most; };
            struct timer { long repeat_seconds, repeat_microseconds, seconds, microseconds; };
            int prctl(int, unsigned long, void *, unsigned long, unsigned long);
            int setrlimit(int, const struct rlimit *);
            int setitimer(int, const struct timer *, void *);
            void *signal(int, void *);
            int getppid(void);
            long read(int, void *, unsigned long);
            long write(int, const char *, unsigned long);
            void _exit(int);'
        );
        // Not with PHP's own streams: those use system calls of sockets, and time-outs.
        $this->chunk = $this->c->new('char[' . self::CHUNK . ']');
    }

    /** Reads calls and forks; returns only in the processes that make them, locked up. */
    public function serve(): void
    {
        $this->source = $this->read(unpack('N', $this->read(4))[1]);
        $parent = getmypid();
        while (true) {
            [, $nameLength, $argumentsLength] = unpack('N2', $this->read(8));
            $this->name = $this->read($nameLength);
            $this->arguments = $this->read($argumentsLength);
            $child = pcntl_fork();
            if ($child === 0) {
                $this->lockUp($parent);
                return;
            }
            if ($child < 0 || pcntl_waitpid($child, $status) !== $child) {
                exit(1);
            }
            if (pcntl_wifsignaled($status)) {
                exit(128 + pcntl_wtermsig($status));
            }
            // A process that has ended in any other way owes an answer, which the next call's would be taken for.
            if (pcntl_wexitstatus($status) !== self::ANSWERED) {
                exit(pcntl_wexitstatus($status));
            }
        }
    }

    /** Makes the call; the script has been evaluated in the global scope. */
    public function call(): void
    {
        $arguments = json_decode($this->arguments, true, 512, JSON_BIGINT_AS_STRING);
        if (!is_array($arguments)) {
            $this->answer(self::THREW, 'the message is nested too deeply');
        } elseif (!function_exists($this->name)) {
            $this->answer(self::MISSING);
        } elseif (($result = ($this->name)(...$arguments)) === null) {
            $this->answer(self::NOTHING);
        } else {
            $flags = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION;
            $text = json_encode($result, $flags);
            $text === false ? $this->answer(self::NOT_JSON, json_last_error_msg()) : $this->answer(self::RETURNED, $text);
        }
    }

    public function threw(Throwable $error): void
    {
        $this->answer(self::THREW, get_class($error) . ': ' . $error->getMessage() . ' (line ' . $error->getLine() . ')');
    }

    /** Answers for a script that has ended the process: a fatal error, or exit. */
    public function atShutdown(): void
    {
        $message = strtok(error_get_last()['message'] ?? '', "\n") ?: '';
        if ($this->answered) {
            return;
        }
        if (str_starts_with($message, 'Allowed memory size')) {
            $this->answer(self::MEMORY);
        } else {
            $this->answer(self::THREW, $message === '' ? 'the script has called exit' : $message);
        }
    }

    private function answer(int $kind, string $text = ''): void
    {
        $this->answered = true;
        $output = '';
        while (ob_get_level() > 0) {
            $output = ob_get_clean() . $output;
        }
        $output = substr($output, 0, $this->longestOutput);
        if (strlen($text) > $this->longestResult) {
            [$kind, $text] = [self::THREW, "the result is longer than $this->longestResult bytes"];
        }
        $used = intdiv(hrtime(true) - $this->started, 1000);
        $frame = pack('CNNN', $kind, $used, strlen($text), strlen($output)) . $text . $output;
        while ($frame !== '' && ($written = $this->c->write(self::SOCKET, $frame, strlen($frame))) > 0) {
            $frame = substr($frame, $written);
        }
        $this->c->_exit(self::ANSWERED);
    }

    private function lockUp(int $parent): void
    {
        $this->c->prctl(self::PR_SET_PDEATHSIG, self::SIGKILL, null, 0, 0);
        if ($this->c->getppid() !== $parent) {
            $this->c->_exit(1);
        }
        // PHP's own time limit needs system calls that are about to go; this one has the kernel end the process.
        $this->c->signal(self::SIGPROF, null);
        $timer = $this->c->new('struct timer');
        $timer->seconds = $this->seconds;
        $this->check($this->c->setitimer(self::ITIMER_PROF, FFI::addr($timer), null));
        ob_start();
        register_shutdown_function($this->atShutdown(...));
        $limits = [
            self::RLIMIT_AS => $this->addressSpace, self::RLIMIT_CORE => 0, self::RLIMIT_FSIZE => 0,
            self::RLIMIT_NOFILE => 0, self::RLIMIT_NPROC => 0,
        ];
        foreach ($limits as $limit => $value) {
            $pair = $this->c->new('struct rlimit');
            $pair->current = $pair->most = $value;
            $this->check($this->c->setrlimit($limit, FFI::addr($pair)));
        }
        $filter = $this->filter;
        $length = strlen($filter);
        $code = $this->c->new("char[$length]");
        FFI::memcpy($code, $filter, $length);
        $program = $this->c->new('struct filter');
        $program->length = intdiv($length, 8);
        $program->instructions = FFI::cast('void *', FFI::addr($code));
        $this->check($this->c->prctl(self::PR_SET_NO_NEW_PRIVS, 1, null, 0, 0));
        $this->check($this->c->prctl(self::PR_SET_SECCOMP, self::SECCOMP_MODE_FILTER, FFI::addr($program), 0, 0));
        $this->started = hrtime(true);
    }

    /** Ends a process that could not be locked up before it sees the script. */
    private function check(int $result): void
    {
        if ($result !== 0) {
            $this->c->_exit(self::NO_SANDBOX);
        }
    }

    /** Returns so many bytes; ends the process when the node has closed the socket. */
    private function read(int $length): string
    {
        while (strlen($this->buffer) < $length) {
            $received = $this->c->read(self::SOCKET, $this->chunk, self::CHUNK);
            if ($received <= 0) {
                exit(0);
            }
            $this->buffer .= FFI::string($this->chunk, $received);
        }
        $data = substr($this->buffer, 0, $length);
        $this->buffer = substr($this->buffer, $length);
        return $data;
    }
}

[, $__filter, $__seconds, $__growth, $__result, $__output] = $argv;
$__space = (int) explode(' ', file_get_contents('/proc/self/statm'))[0] * 4096 + (int) $__growth;
$__guest = new Guest(hex2bin($__filter), (int) $__seconds, $__space, (int) $__result, (int) $__output);
// Zones are read from files, which calls cannot do; without its file, a zone crashes PHP.
array_map(fn (string $zone) => new DateTime('now', new DateTimeZone($zone)), ['Asia/Shanghai', 'PRC', 'UTC', 'GMT']);
$__guest->serve();
unset($__filter, $__seconds, $__growth, $__space, $__result, $__output, $argv, $argc);
try {
    // Scripts come with and without the opening tag.
    eval((str_contains($__guest->source, '<?') ? '?>' : '') . $__guest->source);
    $__guest->call();
} catch (Throwable $__error) {
    $__guest->threw($__error);
}
