"""Invented everyday texts, from a few words to a paragraph, so that a benchmark needs no data set."""

GERMAN = (
    "Wo ist der Bahnhof?",
    "Das Brot ist schon alle.",
    "Kannst du mir morgen beim Umzug helfen?",
    "Wir haben gestern lange auf den Bus gewartet.",
    "Meine Schwester wohnt seit zwei Jahren in Hamburg und arbeitet dort in einem Krankenhaus.",
    "Bitte schließen Sie das Fenster, es zieht.",
    "Der Kuchen schmeckt besser als letzte Woche, aber er ist immer noch ein wenig zu süß.",
    "Ich habe meinen Schlüssel verloren.",
    "Am Wochenende fahren wir mit den Kindern an den See, wenn das Wetter hält und niemand krank wird.",
    "Wie viel kostet eine Fahrkarte nach Leipzig?",
    "Der Nachbar hat einen neuen Hund, der die ganze Nacht bellt.",
    "Es regnet.",
    "Könnten Sie bitte etwas langsamer sprechen, ich lerne die Sprache noch nicht sehr lange?",
    "Die alte Brücke wurde im Frühling gesperrt, weil ein Pfeiler Risse hatte.",
    "Er trinkt seinen Kaffee immer schwarz.",
    "Nach der Arbeit gehe ich noch schnell einkaufen, koche etwas Einfaches und rufe dann meine Eltern an.",
    "Das Paket ist gestern angekommen.",
    "Unser Lehrer erzählt oft Geschichten von seinen Reisen durch Südamerika.",
    "Hast du das Licht im Keller ausgemacht?",
    "Sie spielt Klavier, seit sie fünf Jahre alt ist.",
    "Im Winter ist die kleine Straße hinter dem Dorf manchmal tagelang nicht befahrbar.",
    "Der Arzt sagte, ich solle mehr schlafen, weniger sitzen und jeden Tag eine halbe Stunde spazieren gehen.",
    "Ich verstehe die Frage nicht.",
    "Die Rechnung stimmt leider nicht, wir hatten nur zwei Suppen bestellt.",
    "Mein Fahrrad hat einen Platten, deshalb komme ich heute zu Fuß.",
    "Gibt es hier in der Nähe eine Apotheke, die auch sonntags geöffnet hat?",
    "Die Kinder malen mit Kreide auf dem Gehweg.",
    "Als wir aufwachten, lag überall Schnee, und die Vögel saßen still in den Bäumen vor dem Haus.",
    "Vergiss deinen Regenschirm nicht!",
    "Das Museum öffnet erst um zehn Uhr, wir können also vorher noch in Ruhe frühstücken.",
    "Mir gefällt die blaue Jacke besser als die rote.",
    "Der Zug nach München fällt heute aus.",
    "Seit die neue Bäckerei eröffnet hat, riecht die ganze Straße jeden Morgen nach frischen Brötchen.",
    "Sie hat den ganzen Abend kein Wort gesagt.",
    "Wir suchen eine Wohnung mit drei Zimmern, einem Balkon und einer Küche, in der man auch essen kann.",
    "Der Film war länger, als ich dachte.",
    "Ich möchte gern einen Tisch für vier Personen reservieren, am liebsten am Fenster.",
    "Die Katze schläft auf meinem Mantel.",
    "Nächstes Jahr wollen meine Großeltern ihr Haus verkaufen und in eine kleinere Wohnung in der Stadt ziehen.",
    "Danke, das war sehr freundlich von Ihnen.",
)

ENGLISH = (
    "I loved every minute of it.",
    "The soup was cold and the waiter never came back.",
    "What a waste of an evening.",
    "The story starts slowly, but the last half hour is worth the wait.",
    "My phone arrived with a broken screen, and it took the shop three weeks to send me another one.",
    "Friendly staff, clean rooms, wonderful view.",
    "The actors try hard, yet nothing they say sounds like something a living person would ever say.",
    "It does what it promises.",
    "I have never laughed so much in a cinema, and neither had the two strangers sitting next to me.",
    "The battery is empty before lunch.",
    "A warm and clever little film about growing old without growing bitter.",
    "We waited an hour for a table and left hungry.",
    "The second album is better than the first, though it loses its way somewhere in the middle.",
    "Not bad at all.",
    "I wanted to like this book, but by the third chapter I no longer cared who had stolen the painting.",
    "The shoes fit perfectly and still look new after a winter of rain and snow.",
    "Too loud, too long and far too pleased with itself.",
    "Our guide knew every stone of the old town and told its stories with patience and humour.",
    "The update made everything slower.",
    "Simple food, honestly cooked, at a price that made us look at the bill twice and smile.",
    "He delivers his lines as if he were reading a train timetable aloud.",
    "The garden alone is worth the visit, and the cake in the small café behind it is even better.",
    "I returned it the next day.",
    "An uneven but charming comedy whose best jokes are the quiet ones.",
    "The hotel looks nothing like the pictures, the lift was out of order and breakfast ended at eight.",
    "Thank you for a perfect afternoon!",
    "The camera is fine in daylight and useless after sunset.",
    "She carries the whole play on her shoulders and never once lets it fall.",
    "Boring.",
    "The instructions are so unclear that I needed two evenings to build a shelf with four boards.",
)

KOREAN = (
    "정말 재미있게 봤어요.",
    "시간이 너무 아까운 영화였습니다.",
    "배우들의 연기가 훌륭해서 두 시간이 금방 지나갔다.",
    "음식은 맛있었지만 직원이 너무 불친절했어요.",
    "기대를 많이 했는데 이야기가 중간부터 지루해져서 결국 잠이 들었습니다.",
    "강력 추천!",
    "배송이 빠르고 포장도 꼼꼼해서 다음에도 여기에서 살 생각입니다.",
    "소리가 작고 화면도 어두워서 쓸 수가 없네요.",
    "가족과 함께 따뜻한 마음으로 볼 수 있는 작품이에요.",
    "왜 이렇게 평점이 높은지 모르겠다.",
    "음악이 아름답고 마지막 장면이 오래 기억에 남습니다.",
    "돈이 아깝다.",
)

PACKAGES = (
    "This program watches a folder and copies every new or changed file to a second place. It keeps the last ten "
    "versions of each file and can restore any of them. Copies are compressed, and files that did not change take no "
    "further space. A small tray icon shows whether the last copy succeeded.",
    "A calendar for the terminal that shows the month, the week or the day. Appointments are kept in plain text files "
    "that can be edited by hand. It can import and export the common exchange format, and reminds of appointments by "
    "a sound or by mail.",
    "This library reads and writes the maps of several popular strategy games. It offers functions to resize a map, "
    "to place units on it and to check that every player can reach every other. This package contains the files that "
    "are needed to build programs with the library.",
    "Shows the temperature of processors, disks and graphics cards in a small window. Limits can be set for each "
    "sensor; when one is passed, a command of the user's choice is run.",
    "A drawing program for small children. It has big brushes, stamps with animals and cars, and a sound for each "
    "colour. Pictures are saved by themselves, so that nothing is lost when the computer is turned off. Parents can "
    "lock the other programs while it runs.",
    "This tool finds files with the same content. It first compares sizes, then checksums, and at last every byte. "
    "The copies can be listed, deleted or replaced by links to the first one. Folders may be excluded by patterns.",
    "A server that offers the music of a home to all players in the same network. It reads the tags of the files, "
    "shows covers and lets listeners browse by artist, album and year. Formats that a player does not understand are "
    "converted while they are sent. The collection is watched, and new files appear within seconds.",
    "Common fonts for signs and posters, with four weights each. They contain the letters of all European languages, "
    "old style figures and a set of arrows. The fonts may be embedded in documents.",
    "This module adds two functions to the language's date library: one that understands dates written in words, and "
    "one that prints how long ago a moment was. Nineteen languages are supported.",
    "A game in which marbles roll along tracks that the player builds. There are sixty levels, from easy to nearly "
    "impossible, and an editor for one's own. Scores can be compared with friends in the local network, and a level "
    "can be shared as a single short line of text.",
    "This program measures how fast a disk reads and writes blocks of different sizes. Results are printed as a table "
    "or as a chart, and can be compared with those of an earlier run.",
    "A mail filter that learns from the messages that its user moves to the junk folder. It runs beside the mail "
    "server, needs no network and keeps its word counts in one file per user. Messages are only marked, never "
    "deleted. A report of every week tells how many were marked and how many of those were taken back.",
    "Converts recipes between the formats of several cooking programs. Amounts are scaled to the wanted number of "
    "guests, and units are converted where that is possible. A shopping list can be written for a whole week.",
    "This package contains the documentation of the image library in a form that can be read in a browser: a "
    "tutorial, a reference of all functions and forty examples with their source code.",
    "A tool to rename many files at once. New names are made from the old ones by patterns, from numbers, or from the "
    "date at which a photograph was taken. Every change is shown before it is made and can be undone afterwards.",
    "An interpreter for a small language that is used to teach programming. Programs control a turtle that draws "
    "lines. Errors are explained in full sentences, and the line at fault is shown. Teachers can prepare exercises "
    "that are checked automatically.",
    "This daemon sets the clock of the computer by asking several servers in the network. It corrects the clock "
    "slowly, so that time never runs backwards, and notices servers that tell a wrong time.",
    "A plugin for the text editor that underlines words which are spelled wrongly while one is typing. It uses the "
    "dictionaries that are installed on the system and can check texts in two languages at the same time. Words can "
    "be added to a personal list. Source code is left alone, save for comments and strings.",
    "Draws family trees from a list of people. Photographs, dates and places can be shown; branches may be folded. "
    "The result is saved as an image or as a poster that is split over several sheets of paper.",
    "A small web server for files. It is started in a folder, prints an address and ends when the terminal is closed. "
    "Uploads can be allowed and protected by a password.",
    "This program joins, splits, turns and sorts the pages of documents. Pages are shown as small pictures that can "
    "be dragged with the mouse. The original files are never changed. Passwords can be set and removed, and blank "
    "pages can be left out.",
    "A library for talking to weather stations that are connected by a serial cable. It supports the protocols of "
    "nine makers and returns temperature, pressure, wind and rain in metric units. A simulated station is included "
    "for tests. Programs written for an earlier version have to be built again, since some of the names have changed.",
    "Counts the lines of source code in a folder, by language, without blank lines and comments. Results can be "
    "written as a table, and two folders can be compared with each other.",
    "A viewer for the night sky. It shows stars, planets and comets for any place and time, names them in thirty "
    "languages and can steer a telescope. Fainter stars are loaded from further catalogues when one looks closer. "
    "The light of towns and the colour of the dusk are drawn as they are, and a red mode spares the eyes at night.",
)
