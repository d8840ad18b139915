"""Where nginx 1.22, and hypercorn 0.18 with Werkzeug on top, judge a case of http_cases otherwise than the lane."""

_FORTY = ",".join(f"{i}-{i}" for i in range(0, 80, 2))

# {server: {why: {name of the case: its verdict}}}
DIFFERENCES: dict[str, dict[str, dict[str, str]]] = {
    "nginx": {
        "It keeps control characters in a value, which are invalid but may be kept (RFC 9110, 5.5).": {
            "a control character in a value": "200 kept"
        },
        "It still speaks HTTP/0.9, which has no heads.": {"HTTP/0.9": "no HTTP/1 closed"},
        "It takes every minor version of HTTP/1, of any number of digits, for 1.1; the lane has a 505 for what it does "
        "not know.": {"HTTP/1.2": "200 kept", "HTTP/1.10": "200 kept"},
        "It knows the preface of HTTP/2 and refuses it as bad on a port without HTTP/2.": {
            "HTTP/2 preface": "400 closed"
        },
        "Its method names are of capitals, - and _ only; any token is a method (RFC 9110, 9.1).": {
            "lower-case method": "400 closed"
        },
        "It closes after a TRACE.": {"TRACE": "405 closed"},
        "It looks for close anywhere in the value of Connection.": {"Connection: closed": "200 closed"},
        "It accepts targets of any scheme; the lane those that are paths on a server for HTTP.": {
            "absolute form, another scheme": "200 kept"
        },
        "The lane hands over what is not under /download/, and a handed-over connection serves one request.": {
            "absolute form, no path": "404 kept"
        },
        "It cuts off fragment identifiers, which nobody may send (RFC 9112, 3.2); to the lane they are of the name.": {
            "a fragment identifier": "200 kept"
        },
        "It refuses an escape that it cannot decode or that is NUL; to the lane it is a name that nothing has.": {
            "percent without digits": "400 closed",
            "percent-encoded NUL": "400 closed",
        },
        "It walks along . and .. and merges slashes, and refuses to walk out; the lane knows exact names only.": {
            "dots that stay inside": "200 kept",
            "dots that lead out": "400 closed",
            "percent-encoded dots that lead out": "400 closed",
            "one dot": "200 kept",
            "two slashes": "200 kept",
            "two slashes at the front": "200 kept",
        },
        "It says that it may not list the folder; the lane has no folders.": {"the folder": "403 kept"},
        "It takes bytes over 127 in a target, which no target may have (RFC 3986).": {
            "a byte over 127 in the target": "404 kept"
        },
        "It takes several spaces for one in a request line (RFC 9112, 3 lets a server do so).": {
            "two spaces before the target": "200 kept"
        },
        "It has a status of its own for a long target.": {"a very long target": "414 closed"},
        "It wants a Host that is not empty, and looks less closely at what it is.": {
            "an empty Host": "400 closed",
            "a Host with a user": "200 kept",
            "a Host with a long label": "200 kept",
        },
        "It leaves fields out that are none, and reads on.": {
            "no colon": "200 kept",
            "a name that is no token": "200 kept",
        },
        "It takes a bare LF for a line end, with any CR before it: a proxy that does not would see other requests.": {
            "bare LF in a field": "206:0-1 kept",
            "bare LF for line ends": "200 kept",
            "bare LF for the last line end": "200 kept",
            "CR CR LF": "200 kept",
        },
        "It says 400 to a head that is too large (431 came later, with RFC 6585).": {
            "a huge field": "400 closed",
            "a huge head of small fields": "400 closed",
        },
        "It counts the bytes of a head, not its fields.": {"too many fields": "200 kept"},
        "It does not take a tab behind a value for white space.": {"Content-Length with spaces around": "400 closed"},
        "It reads chunked bodies; no agent sends them, so the lane wants a length.": {
            "chunked POST": "405 kept",
            "Transfer-Encoding on a GET": "200 kept",
            "an unknown Transfer-Encoding": "501 closed",
        },
        "It knows no Transfer-Encoding in HTTP/1.0, which is a fault of framing (RFC 9112, 6.1).": {
            "Transfer-Encoding in HTTP/1.0": "400 closed"
        },
        "It sends no 100 when it refuses at once.": {"Expect with a body": "405 kept"},
        "It answers an Expect where no body comes.": {"Expect without a body": "100 200 kept"},
        "It overlooks expectations that it does not know, as a server may (RFC 9110, 10.1.1).": {
            "Expect of something else": "405 kept"
        },
        "It has a 416 for a Range of bad syntax, which is to be overlooked (RFC 9110, 14.2).": {
            "Range that runs backwards": "416 kept",
            "Range of huge numbers": "416 kept",
            "Range without a number": "416 kept",
            "Range of letters": "416 kept",
            "ranges, one of bad syntax": "416 kept",
        },
        "It sends ranges as asked for, or the whole when they come to more; the lane makes one of those that meet.": {
            "ranges that overlap": "206:0-9,5-14 kept",
            "ranges that touch": "206:0-9,10-19 kept",
            "the same range many times": "200 kept",
        },
        "Its number of ranges is not limited.": {"too many ranges": f"206:{_FORTY} kept"},
        "It heeds Range in a HEAD; it is defined for GET only (RFC 9110, 14.2).": {"HEAD with Range": "206 kept"},
        "It closes after a 412.": {
            "If-Match, another": "412 closed",
            "If-Match, weak": "412 closed",
            "If-Unmodified-Since, an earlier date": "412 closed",
        },
        "It evaluates If-Unmodified-Since beside If-Match, and when it is no date, against RFC 9110, 13.1.4.": {
            "If-Unmodified-Since, no date": "412 closed",
            "If-Unmodified-Since beside If-Match": "412 closed",
        },
        "Stock agents take a 304 for a failure, so the lane has none for them.": {
            "If-None-Match of a stock agent": "304 kept"
        },
        "The lane does not evaluate If-Modified-Since (RFC 9110, 13.1.3 lets a server ignore it).": {
            "If-Modified-Since, its date": "304 kept"
        },
    },
    "hypercorn": {
        "h11 keeps some control characters in a value, which are invalid but may be kept (RFC 9110, 5.5).": {
            "a control character in a value": "200 kept"
        },
        "h11 takes bytes behind the last request of a connection for an error, even before that one is answered.": {
            "pipelined behind a close": "400 closed",
            "Connection: close": "400 closed",
            "Connection: Close": "400 closed",
            "Connection of several options": "400 closed",
            "two Connection fields": "400 closed",
            "HTTP/1.0": "400 closed",
            "HTTP/1.0 without Host": "400 closed",
            "HTTP/1.0 with Keep-Alive, close": "400 closed",
            "Transfer-Encoding in HTTP/1.0": "400 closed",
        },
        "h11 does not keep connections of HTTP/1.0.": {"HTTP/1.0 with keep-alive": "400 closed"},
        "It speaks HTTP/2 without TLS.": {
            "Upgrade to h2c": "101 closed",
            "HTTP/2 preface": "no HTTP/1 closed",
        },
        "h11 takes any version of one digit and one more; the lane has a 505 for what it does not know.": {
            "HTTP/1.2": "200 kept",
            "HTTP/2.0": "200 kept",
        },
        "It makes capitals of a method, whose case matters (RFC 9110, 9.1).": {"lower-case method": "200 kept"},
        "It takes the absolute form for a path; a server must accept it (RFC 9112, 3.2.2).": {
            "absolute form": "404 kept",
            "absolute form, https and a port": "404 kept",
            "absolute form, another host than Host": "404 kept",
        },
        "The lane hands over what is not under /download/, and a handed-over connection serves one request.": {
            "absolute form, no path": "404 kept",
            "two slashes at the front": "404 kept",
        },
        "It takes any target for a path; the lane wants one that begins with a slash.": {
            "absolute form, another scheme": "404 kept",
            "asterisk form": "404 kept",
            "asterisk form of GET": "404 kept",
            "authority form": "404 kept",
            "a target without a slash": "404 kept",
            "a query alone": "404 kept",
        },
        "h11 does not look at what stands in Host.": {
            "a Host with a space": "200 kept",
            "a Host with a path": "200 kept",
            "a Host with a user": "200 kept",
            "a Host that leads out": "200 kept",
            "a Host with an empty label": "200 kept",
            "a Host with a long label": "200 kept",
        },
        "h11 unfolds folded lines; RFC 9112, 5.2 leaves the choice, and a proxy may have taken the other one.": {
            "obs-fold": "200 kept",
            "obs-fold in Range": "206:0-1 kept",
        },
        "h11 takes a bare LF for a line end: a proxy that does not would see other requests.": {
            "bare LF in a field": "206:0-1 kept",
            "bare LF for line ends": "200 kept",
            "bare LF for the last line end": "200 kept",
        },
        "Its limit of a head is 64 KiB, and it does not count fields.": {
            "a very long target": "200 kept",
            "a huge field": "200 kept",
            "a huge head of small fields": "200 kept",
            "too many fields": "200 kept",
        },
        "h11 does not overlook an empty line before a request, as a server should (RFC 9112, 2.2).": {
            "an empty line first": "400 closed",
            "two empty lines first": "400 closed",
            "nine empty lines first": "400 closed",
            "an empty line between requests": "200 400 closed",
            "an empty line behind a body": "405 400 closed",
        },
        "h11 takes the same length several times for one (RFC 9110, 8.6 leaves the choice).": {
            "two Content-Lengths alike": "405 kept",
            "a list of Content-Lengths": "405 kept",
        },
        "It leaves the limit to the application, and has a 400 for a body that ends too early.": {
            "Content-Length over the limit": "400 closed",
        },
        "It reads chunked bodies; no agent sends them, so the lane wants a length.": {
            "chunked POST": "405 kept",
            "Transfer-Encoding on a GET": "200 kept",
            "an unknown Transfer-Encoding": "501 closed",
        },
        "h11 lets Transfer-Encoding win, as RFC 9112, 6.3 permits; it may as well be an attack.": {
            "Transfer-Encoding with Content-Length": "405 kept",
            "Content-Length with Transfer-Encoding": "405 kept",
        },
        "It answers an Expect where no body comes.": {"Expect without a body": "100 200 kept"},
        "It overlooks expectations that it does not know, as a server may (RFC 9110, 10.1.1).": {
            "Expect of something else": "405 kept"
        },
        "Werkzeug has a 416 for every Range that it does not serve; bad ones and other units are to be overlooked "
        "(RFC 9110, 14.2), and a suffix may be longer than the file (14.1.2).": {
            "suffix Range longer than the file": "416 kept",
            "Range that runs backwards": "416 kept",
            "Range of another unit": "416 kept",
            "Range without a number": "416 kept",
            "Range without a unit": "416 kept",
            "Range of letters": "416 kept",
            "empty Range": "416 kept",
            "ranges, one of bad syntax": "416 kept",
        },
        "Werkzeug serves one range and has a 416 for several.": {
            "Range with spaces": "416 kept",
            "two ranges": "416 kept",
            "two ranges of a big file": "416 kept",
            "ranges in disorder": "416 kept",
            "ranges that overlap": "416 kept",
            "ranges that touch": "416 kept",
            "the same range many times": "416 kept",
            "ranges, one past the end": "416 kept",
            "too many ranges": "416 kept",
        },
        "The lane reads numbers of 19 digits at the most, which is more than a file can have, and overlooks others.": {
            "Range of huge numbers": "206:0-5119 kept"
        },
        "The last of two fields wins; for the lane and nginx it is the first.": {"two Range fields": "206:20-29 kept"},
        "Werkzeug heeds Range in a HEAD; it is defined for GET only (RFC 9110, 14.2).": {"HEAD with Range": "206 kept"},
        "Werkzeug compares If-Range less strictly than RFC 9110, 13.1.5 wants: weak tags, and dates that are later.": {
            "If-Range, a weak ETag": "206:0-9 kept",
            "If-Range, a later date": "206:0-9 kept",
        },
        "Werkzeug does not know the * of If-Match, nor If-Unmodified-Since.": {
            "If-Match, any": "412 kept",
            "If-Unmodified-Since, an earlier date": "200 kept",
        },
        "Werkzeug looks at Range before If-None-Match; RFC 9110, 13.2.2 has it the other way round.": {
            "If-None-Match before Range": "206:0-9 kept"
        },
        "Stock agents take a 304 for a failure, so the lane has none for them.": {
            "If-None-Match of a stock agent": "304 kept"
        },
        "The lane does not evaluate If-Modified-Since (RFC 9110, 13.1.3 lets a server ignore it).": {
            "If-Modified-Since, its date": "304 kept"
        },
    },
}
