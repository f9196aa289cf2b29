require ["enotify"];
if valid_notify_method ["mailto:a@x.org"] { discard;
}
