package mailpipe

import (
	"fmt"
	"path"
	"strings"
)

// maxAttachmentName is the longest attachment name in octets, its extension
// included: what the usual file systems take (255), with room for a number or a
// folder's mark before it. A name in Chinese or Cyrillic has two or three octets
// a letter.
const maxAttachmentName = 200

// cleanFileName makes a decoded name safe to show and to store under on any
// system: no path, control, bidi or invisible characters, no names that Windows
// reserves, at most maxAttachmentName octets with the extension kept. It returns the
// empty string when nothing is left.
func cleanFileName(name string) string {
	for name = cleanLine(name, 4096); strings.Contains(name, "%00"); {
		name = cleanLine(strings.ReplaceAll(name, "%00", ""), 4096)
	}
	slashed := strings.ReplaceAll(name, `\`, "/")
	drive := len(slashed) > 2 && slashed[1] == ':' && slashed[2] == '/'
	if drive || strings.HasPrefix(slashed, "/") || strings.Contains("/"+slashed, "/../") || strings.HasPrefix(slashed, "./") {
		name = path.Base(slashed) // a path, not a name with a slash in it
	}
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"/\|?*`, r) {
			return '_'
		}
		return r
	}, name)
	name = strings.TrimRight(strings.TrimLeft(name, ". "), ". ")
	if name == "" {
		return ""
	}
	stem, ext := splitExt(name)
	if isReserved(stem) {
		stem = "_" + stem
	}
	name = strings.TrimRight(cutBytes(stem, maxAttachmentName-len(ext)), ". ") + ext
	stem, ext = splitExt(name) // being shorter, its end may count as an extension now
	return strings.TrimRight(stem, ". ") + ext
}

// splitExt divides a name before its extension, which has at most 20 octets.
func splitExt(name string) (stem, ext string) {
	ext = path.Ext(name)
	if len(ext) > 20 || len(ext) == len(name) {
		return name, ""
	}
	return name[:len(name)-len(ext)], ext
}

// isReserved tells the device names of Windows, which open a device whatever
// their extension.
func isReserved(stem string) bool {
	stem, _, _ = strings.Cut(strings.ToUpper(stem), ".")
	stem = strings.TrimRight(stem, " ") // as Windows does
	switch stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(stem) == 4 && (strings.HasPrefix(stem, "COM") || strings.HasPrefix(stem, "LPT")) && stem[3] >= '0' && stem[3] <= '9'
}

// extensions of unnamed attachments, by media type.
var extensions = map[string]string{
	"application/pdf": ".pdf", "application/zip": ".zip", "application/msword": ".doc", "application/json": ".json",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":       ".xlsx",
	"application/vnd.ms-excel": ".xls", "application/rtf": ".rtf", "application/xml": ".xml",
	"application/pgp-signature": ".asc", "application/pkcs7-signature": ".p7s", "application/x-pkcs7-signature": ".p7s",
	"application/pgp-encrypted": ".asc", "application/ics": ".ics", "application/gzip": ".gz",
	"image/jpeg": ".jpg", "image/jpg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp",
	"image/svg+xml": ".svg", "image/bmp": ".bmp", "image/tiff": ".tif", "image/heic": ".heic",
	"audio/mpeg": ".mp3", "audio/ogg": ".ogg", "audio/wav": ".wav", "audio/amr": ".amr", "audio/mp4": ".m4a",
	"video/mp4": ".mp4", "video/quicktime": ".mov", "video/3gpp": ".3gp",
	"text/plain": ".txt", "text/html": ".html", "text/csv": ".csv", "text/calendar": ".ics", "text/vcard": ".vcf",
	"text/x-vcard": ".vcf", "text/xml": ".xml", "text/rtf": ".rtf", "text/rfc822-headers": ".txt",
	"message/rfc822": ".eml", "message/global": ".eml", "message/delivery-status": ".txt",
	"message/disposition-notification": ".txt", "message/feedback-report": ".txt",
}

// extensionOf is the extension of an unnamed attachment.
func extensionOf(mediaType string) string {
	if ext := extensions[mediaType]; ext != "" {
		return ext
	}
	return ".bin"
}

// mediaTypes are what extensions stand for.
var mediaTypes = func() map[string]string {
	types := map[string]string{".jpeg": "image/jpeg", ".htm": "text/html", ".txt": "text/plain"}
	for mediaType, ext := range extensions {
		if known := types[ext]; known == "" || mediaType < known && !strings.Contains(known, "text/") {
			types[ext] = mediaType
		}
	}
	return types
}()

// typeOfName is the media type that the extension of a name stands for.
func typeOfName(name string) string {
	_, ext := splitExt(strings.ToLower(name))
	if mediaType := mediaTypes[ext]; mediaType != "" {
		return mediaType
	}
	return "application/octet-stream"
}

// namer gives the attachments of one message names that are unique in it.
type namer struct{ taken map[string]int }

// unique returns name, or name with a number before its extension. Case makes
// no difference, as on most desktops.
func (n *namer) unique(name string) string {
	if n.taken == nil {
		n.taken = make(map[string]int)
	}
	key := strings.ToLower(name)
	stem, ext := splitExt(name)
	for n.taken[strings.ToLower(name)] > 0 {
		n.taken[key]++
		suffix := fmt.Sprintf(" (%d)", n.taken[key])
		name = cutBytes(stem, maxAttachmentName-len(ext)-len(suffix)) + suffix + ext
	}
	n.taken[strings.ToLower(name)]++
	return name
}

// fileName is the name that a part gives itself, decoded and cleaned; empty when
// it has none. charset is a hint for names in raw 8-bit bytes.
func (p *part) fileName(disposition *media, charset string) string {
	for _, from := range []struct {
		field *media
		name  string
	}{{disposition, "filename"}, {&p.media, "name"}, {disposition, "name"}, {&p.media, "filename"}} {
		if name := cleanFileName(from.field.decoded(from.name, charset)); name != "" {
			return name
		}
	}
	return ""
}
