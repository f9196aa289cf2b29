require ["enotify"];
if notify_method_capability "mailto:a@x.org" "online" "maybe" { discard;
}
